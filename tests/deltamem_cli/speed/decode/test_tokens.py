"""What is timed are the tokens of ``generate``, one by one or after the reading of the prompt."""

from __future__ import annotations

import time
from typing import Any

import pytest
import torch
from random_models import MINIATURE

from deltamem import DeltaMemConfig, DeltaMemory
from deltamem_cli.speed.decode.tokens import alone, decode, read, relative_throughput, with_memory
from deltamem_cli.speed.models import random_model

PROMPT, NEW = 12, 6


def adapted() -> tuple[Any, DeltaMemory, torch.Tensor]:
    model = random_model(MINIATURE)
    config = DeltaMemConfig(init_gain=50.0, beta_bias_init=2.0)
    memory = DeltaMemory(config, model).initialise(model, seed=0)
    return model, memory, torch.randint(97, (1, PROMPT), generator=torch.Generator().manual_seed(1))


def generated(model: Any, ids: torch.Tensor) -> list[int]:
    settings = {"max_new_tokens": NEW, "do_sample": False, "pad_token_id": 0}
    return model.generate(ids, attention_mask=torch.ones_like(ids), **settings)[0, PROMPT:].tolist()


def lengths_seen(model: Any) -> list[int]:
    lengths: list[int] = []
    model.get_decoder().register_forward_pre_hook(
        lambda module, args, kwargs: lengths.append(kwargs["input_ids"].shape[1]), with_kwargs=True
    )
    return lengths


def test_tokens_are_those_of_generate_and_the_cache_stays() -> None:
    model, memory, ids = adapted()
    bare, bare_cache = generated(model, ids), read(model, ids)
    assert len(set(bare)) > 1
    with memory.attach(model):
        wanted, cache = generated(model, ids), read(model, ids)
    assert wanted != bare
    lengths = lengths_seen(model)
    for _ in range(2):
        assert decode(model, ids, NEW, cache=bare_cache)[0].tolist() == bare
        with memory.attach(model):
            assert decode(model, ids, NEW, cache=cache)[0].tolist() == wanted
    assert lengths == [1] * (4 * NEW)
    assert cache.get_seq_length() == PROMPT - 1
    assert decode(model, ids, NEW)[0].tolist() == bare


@pytest.mark.parametrize("writes", [True, False])
def test_both_sides_give_their_tokens_however_the_prompt_comes(writes: bool) -> None:
    model, memory, ids = adapted()
    wanted_bare = generated(model, ids)
    with memory.attach(model, write=writes):
        wanted = generated(model, ids)
    bare = alone(model, ids, tokens=NEW)
    attached = with_memory(memory, model, ids, tokens=NEW, writes=writes)
    lengths = lengths_seen(model)
    for side, tokens in ((bare, wanted_bare), (attached, wanted)):
        assert side.decode()[0].tolist() == tokens
        assert lengths == [1] * NEW
        lengths.clear()
        assert side.generate()[0].tolist() == tokens
        assert lengths == [PROMPT] + [1] * (NEW - 1)
        lengths.clear()


def test_the_prompt_and_the_answer_write_or_do_not() -> None:
    model, memory, ids = adapted()
    written = [
        with_memory(memory, model, ids, tokens=NEW, writes=writes).decode()[0].tolist()
        for writes in (True, False)
    ]
    assert written[0] != written[1]


def test_what_takes_longer_has_less_throughput() -> None:
    slow = lambda: time.sleep(0.02)  # noqa: E731
    assert max(relative_throughput(int, slow, rounds=1)) < 0.5
