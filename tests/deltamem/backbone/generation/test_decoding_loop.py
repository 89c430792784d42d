"""Rows that leave and join, against one prompt at a time and no cache at all."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from random_models import random_model
from transformers.cache_utils import DynamicLayer

from deltamem import load_adapter
from deltamem.backbone import MemoryCache, Start, generate, tiny_folder
from deltamem.backbone.generation.columns import ROOM, GrowingLayer
from deltamem.backbone.generation.next_logits import model_logits
from deltamem.backbone.generation.sampling import choose_tokens, sample_token
from deltamem.method.delta_mem_method import DeltaMemMethod
from deltamem_evaluations.sample import Decoding, History, Prompt

EXAMPLES = 25
STOPS = 9
"""Every ninth token ends an answer, so that answers have many lengths."""
KINDS = {
    "greedy": Decoding(max_new_tokens=14),
    "sampled": Decoding(max_new_tokens=14, temperature=1.2, top_p=0.9, top_k=40),
}


@pytest.fixture(scope="module", params=["qwen3", "llama", "gemma3"])
def backbone(request: pytest.FixtureRequest, tiny: Any) -> Any:
    """Random weights; the last has layers with a window of 8 tokens."""
    size = len(tiny.tokenizer)
    model = random_model(request.param, vocab_size=size)
    model.generation_config.eos_token_id = list(range(0, size, STOPS))
    return replace(tiny, model=model)


@dataclass(frozen=True)
class Asked:
    prompts: list[list[int]]
    side_by_side: int
    limit: int

    @property
    def seeds(self) -> list[int]:
        return list(range(len(self.prompts)))


@st.composite
def asked(draw: st.DrawFn) -> Asked:
    lengths = draw(st.lists(st.integers(1, 24), min_size=1, max_size=9))
    random = torch.Generator().manual_seed(draw(st.integers(0, 2**20)))
    prompts = [torch.randint(3, 900, (n,), generator=random).tolist() for n in lengths]
    return Asked(prompts, draw(st.integers(1, 5)), draw(st.integers(1, 14)))


def one_at_a_time(
    backbone: Any, prompt: Sequence[int], decoding: Decoding, seed: int, *, aside: float = 0.0
) -> list[int]:
    """The oracle: the whole sequence through the model for each token.

    ``aside``: relative change of every other logit, as rounding may have it.
    """
    generator, new = torch.Generator().manual_seed(seed), list[int]()
    while len(new) < decoding.max_new_tokens:
        with torch.no_grad():
            logits = backbone.model(torch.tensor([[*prompt, *new]]), use_cache=False).logits
        last = logits[0, -1].float()
        last[::2] *= 1 + aside
        new.append(sample_token(last, decoding, generator))
        if new[-1] in backbone.stop_ids:
            break
    return new


def told(backbone: Any, prompts: Sequence[Sequence[int]], decoding: Decoding, **how: Any) -> Any:
    tokens: list[list[int]] = [[] for _ in prompts]
    answers = generate(
        backbone,
        prompts,
        decoding,
        on_token=lambda number, token: tokens[number].append(token),
        **how,
    )
    assert [a.new_tokens for a in answers] == [len(row) for row in tokens]
    assert [a.prompt_tokens for a in answers] == [len(prompt) for prompt in prompts]
    return tokens


@pytest.mark.parametrize("kind", KINDS)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(case=asked())
def test_tokens_are_those_of_one_prompt_at_a_time(backbone: Any, kind: str, case: Asked) -> None:
    decoding = replace(KINDS[kind], max_new_tokens=case.limit)
    alone, *beside = (
        [
            one_at_a_time(backbone, prompt, decoding, seed, aside=aside)
            for prompt, seed in zip(case.prompts, case.seeds, strict=True)
        ]
        for aside in (0.0, ROUNDING, -ROUNDING)
    )
    # a draw on the edge between two tokens, which rounding decides, says nothing
    assume(all(tokens == alone for tokens in beside))
    how = {"seeds": case.seeds, "side_by_side": case.side_by_side}
    assert told(backbone, case.prompts, decoding, **how) == alone
    turned = {**how, "seeds": case.seeds[::-1]}
    assert told(backbone, case.prompts[::-1], decoding, **turned) == alone[::-1]


ROUNDING = 1e-5
"""Relative; a hundred times the spacing of float32: products of other shapes are summed in another
order."""
PROMPTS = [[5 + (11 * i * i + 3 * n) % 800 for i in range(n)] for n in (3, 17, 9, 2, 12, 6, 21, 8)]
SEEDS = range(len(PROMPTS))


def watched(backbone: Any, rows: list[list[int]]) -> Any:
    """Steps that note which prompts are in each pass."""
    inner = model_logits(backbone.model)

    def step(*given: Any) -> torch.Tensor:
        rows.append(list(given[-1]))
        return inner(*given)

    return step


def test_an_ended_row_leaves_and_one_that_waits_takes_its_place(backbone: Any) -> None:
    passes: list[list[int]] = []
    ended: list[int] = []
    tokens = told(
        backbone,
        PROMPTS,
        KINDS["sampled"],
        seeds=SEEDS,
        side_by_side=3,
        next_logits=watched(backbone, passes),
        on_answer=lambda number, answer: ended.append(number),
    )
    # no row is computed for an answer that has ended
    assert sum(map(len, passes)) == sum(map(len, tokens))
    assert max(map(len, passes)) == 3
    assert sorted(ended) == list(range(len(PROMPTS)))
    assert ended != sorted(ended)
    read = list(dict.fromkeys(number for rows in passes for number in rows))
    assert [len(PROMPTS[n]) for n in read] == sorted(map(len, PROMPTS), reverse=True)
    assert len({len(row) for row in tokens}) > 2


class Unknown(DynamicLayer):
    """A layer of which nobody knows what it keeps."""


def test_rows_of_caches_that_are_not_known_stay(backbone: Any) -> None:
    def start() -> Start:
        cache = MemoryCache()
        cache.layers = [Unknown() for _ in range(backbone.model.config.num_hidden_layers)]
        return Start(cache=cache, rows=[0] * len(PROMPTS))

    if any(MemoryCache(config=backbone.model.config).is_sliding):
        pytest.skip("these layers have no window")
    passes: list[list[int]] = []
    how: dict[str, Any] = {"seeds": SEEDS, "side_by_side": 3}
    step = watched(backbone, passes)
    tokens = told(backbone, PROMPTS, KINDS["sampled"], start=start(), next_logits=step, **how)
    assert tokens == told(backbone, PROMPTS, KINDS["sampled"], **how)
    groups = list(dict.fromkeys(map(tuple, passes)))
    assert [len(group) for group in groups] == [3, 3, 2]
    assert all(not set(a) & set(b) for a, b in pairwise(groups))


def test_rows_that_stay_are_in_the_order_given(backbone: Any) -> None:
    passes: list[list[int]] = []
    how: dict[str, Any] = {"seeds": SEEDS}
    step = watched(backbone, passes)
    stayed = told(backbone, PROMPTS, KINDS["sampled"], next_logits=step, rows_stay=True, **how)
    assert stayed == told(backbone, PROMPTS, KINDS["sampled"], **how)
    assert set(map(tuple, passes)) == {tuple(range(len(PROMPTS)))}


def test_a_layer_with_room_is_one_without() -> None:
    """Also where the room runs out, and with several columns at once."""
    random = torch.Generator().manual_seed(0)
    first = torch.randn(2, 3, 5, 4, generator=random)
    grown = GrowingLayer(list(first), list(-first), columns=5)
    plain = DynamicLayer()
    plain.update(first, -first)
    for columns in (1, 3, ROOM, 1, 2 * ROOM):
        new = torch.randn(2, 3, columns, 4, generator=random)
        for mine, theirs in zip(grown.update(new, -new), plain.update(new, -new), strict=True):
            assert torch.equal(mine, theirs)
        assert grown.get_seq_length() == plain.get_seq_length()


@pytest.mark.parametrize("kind", KINDS)
def test_one_read_chooses_what_single_rows_choose(kind: str) -> None:
    logits = torch.randn(4, 50, generator=torch.Generator().manual_seed(0))
    logits[1, 7] = torch.inf
    seeds = [torch.Generator().manual_seed(i) for i in range(4)]
    wanted = {i: sample_token(logits[i], KINDS[kind], copy_of(seeds[i])) for i in (0, 3)}
    tokens, finite = choose_tokens(logits, KINDS[kind], dict(enumerate(seeds)))
    assert {i: tokens[i] for i in wanted} == wanted
    assert finite == [True, False, True, True]


def copy_of(generator: torch.Generator) -> torch.Generator:
    twin = torch.Generator()
    twin.set_state(copy.copy(generator.get_state()))
    return twin


TALKS = [
    "Today Ada is in Oslo. Today Ben is in Rome.",
    "Today Eva is in Bern.",
    "Today Tom is in Oslo. Today Ada is in Rome. Today Kim is in Bern. Today Eva is in Oslo.",
]
NAMES = ("Ada", "Ben", "Eva", "Tom")


@pytest.mark.parametrize("writes", [False, True], ids=["", "answers write"])
@pytest.mark.parametrize("context", ["none", "visible"])
def test_every_row_keeps_its_own_state(context: str, writes: bool, tiny: Any) -> None:
    if writes and context == "none":
        pytest.skip("answers write only where the context is in view")
    memory = load_adapter(tiny_folder() / "adapters" / "tsw", tiny)
    method = DeltaMemMethod(tiny, memory, context=context, write_answers=writes)
    method.reset(len(TALKS))
    method.write([History(messages=({"role": "user", "content": text},)) for text in TALKS])
    prompts = [
        Prompt(question=f"Where is {name} today?", history=talk, seed=7 * talk + len(name))
        for talk in range(len(TALKS))
        for name in NAMES
    ]
    decoding = Decoding(max_new_tokens=8, temperature=0.7)
    single = [method.answer([prompt], decoding)[0] for prompt in prompts]
    for width in (2, 3, 5, None):
        told: dict[int, Any] = {}
        answers = method.answer(prompts, decoding, side_by_side=width, on_answer=told.__setitem__)
        assert [replace(a, seconds=0) for a in answers] == [replace(a, seconds=0) for a in single]
        assert [told[number] for number in range(len(prompts))] == answers
    assert len({answer.text for answer in single}) > 2
