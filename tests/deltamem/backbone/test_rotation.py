"""Models whose rotary frequencies go by the length of a sequence: its own, whoever is beside it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from chat_templates import CHATML
from random_models import random_model
from transformers import AutoModelForCausalLM

from deltamem import DeltaMemConfig, DeltaMemory
from deltamem.backbone import VisibleContext, generate, load_backbone
from deltamem.backbone.generation.next_logits import left_pad
from deltamem.conversation.conversation import Conversation
from deltamem.method.delta_mem_method import DeltaMemMethod
from deltamem.writers import SegmentWriter, TokenWriter
from deltamem_evaluations.sample import Decoding, History, Prompt

THRESHOLD = 48
WINDOW = 256
SAME = 1e-5
"""Sums in another order, float32, relative to the largest."""
FACTORS = {"short_factor": [1.0, 1.2, 1.5, 2.0], "long_factor": [4.0, 6.0, 9.0, 16.0]}
ROPES: dict[str, dict[str, Any]] = {
    "longrope": {"rope_type": "longrope", "original_max_position_embeddings": THRESHOLD, **FACTORS},
    "dynamic": {"rope_type": "dynamic", "factor": 8.0},
}
DECODING = Decoding(max_new_tokens=12)
LENGTHS = (10, 20, THRESHOLD - 6, THRESHOLD - 2, 100)
"""Two short prompts, two that cross the threshold while they are answered, a long one."""


@pytest.fixture(scope="module", params=ROPES)
def folder(request: pytest.FixtureRequest, tiny: Any, tmp_path_factory: Any) -> Path:
    path: Path = tmp_path_factory.mktemp(request.param)
    rope = {"rope_theta": 10000.0, **ROPES[request.param]}
    longest = WINDOW if request.param == "longrope" else THRESHOLD
    model = random_model(
        "llama",
        vocab_size=len(tiny.tokenizer),
        max_position_embeddings=longest,
        hidden_size=16,
        initializer_range=1.0,
        rope_parameters=rope,
        eos_token_id=None,
    )
    model.generation_config.eos_token_id = None
    model.save_pretrained(path)
    tokenizer = copy.deepcopy(tiny.tokenizer)
    tokenizer.chat_template = CHATML
    tokenizer.save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def backbone(folder: Path) -> Any:
    """Attends beyond what ``dynamic`` was trained on, which no command would."""
    return replace(load_backbone(str(folder), device="cpu"), window=WINDOW)


def prompts(backbone: Any) -> list[list[int]]:
    size = len(backbone.tokenizer)
    return [[3 + (7 * i * i + n) % (size - 3) for i in range(n)] for n in LENGTHS]


def answered(backbone: Any, rows: list[list[int]]) -> list[list[int]]:
    new: list[list[int]] = [[] for _ in rows]
    generate(
        backbone,
        rows,
        DECODING,
        seeds=[0] * len(rows),
        on_token=lambda row, token: new[row].append(token),
    )
    return new


def test_a_prompt_is_answered_as_if_alone(backbone: Any) -> None:
    rows = prompts(backbone)
    alone = [answered(backbone, [row])[0] for row in rows]
    assert answered(backbone, rows) == alone
    assert answered(backbone, rows[::-1]) == alone[::-1]
    assert answered(backbone, rows[:2]) == alone[:2]


def test_an_answer_is_what_transformers_says_in_one_pass(folder: Path, backbone: Any) -> None:
    """Also where the threshold lies within the answer: no key keeps another rotation."""
    for row in prompts(backbone):
        (new,) = answered(backbone, [row])
        model = AutoModelForCausalLM.from_pretrained(folder)
        with torch.no_grad():
            # as long as the row was prepared for, so that ``dynamic`` has the same frequencies
            logits = model(torch.tensor([[*row, *new]])).logits[0, len(row) - 1 : -1]
        assert logits.argmax(-1).tolist() == new


def histories() -> list[History]:
    """Short, crossing with its question, and long."""
    texts = ("Hi.", "Ada is in Oslo and likes it there.", "Ben left for Rome today. " * 9)
    return [
        History(messages=({"role": "user", "content": text},), join="\n", reserve=40)
        for text in texts
    ]


def adapter(backbone: Any, **settings: Any) -> DeltaMemory:
    memory = DeltaMemory(DeltaMemConfig(rank=4, **settings), backbone.model)
    return memory.initialise(backbone.model, seed=0)


@pytest.mark.parametrize("context", ["none", "visible"])
@pytest.mark.parametrize("writer", [TokenWriter(), SegmentWriter()], ids=["tsw", "ssw"])
def test_histories_beside_each_other(context: str, writer: Any, backbone: Any) -> None:
    memory = adapter(backbone, writer=writer, init="random", init_gain=1.0)
    method = DeltaMemMethod(backbone, memory, context=context)

    def run(some: list[History]) -> tuple[list[str], Any]:
        method.reset(len(some))
        method.write(some)
        asked = [Prompt(question="Where?", history=i, seed=0) for i in range(len(some))]
        return [a.text for a in method.answer(asked, DECODING)], method.state

    texts, states = run(histories())
    for i, history in enumerate(histories()):
        (text,), state = run([history])
        assert text == texts[i]
        for index, alone in state.layers.items():
            together = states.layers[index][i : i + 1]
            assert float((together - alone).abs().max()) <= SAME * float(alone.abs().max())


def test_a_history_that_grows_past_the_threshold(backbone: Any) -> None:
    """Its first piece is read again, for its keys would keep the short rotation."""

    def view(*pieces: str) -> list[str]:
        context = VisibleContext(backbone, batch=1)
        for piece in pieces:
            message = {"role": "user", "content": piece}
            context.read([History(messages=(message,), join="\n", reserve=20)])
        asked = [Prompt(question="Where?", history=0, seed=0)]
        return [a.text for a in context.ask(asked, DECODING)]

    first, second = "Ada is in Oslo and likes it. " * 2, "Ben left for Rome today. " * 9
    whole = VisibleContext(backbone, batch=1)
    messages = tuple({"role": "user", "content": c} for c in (first, second))
    whole.read([History(messages=messages, join="\n", reserve=20)])
    asked = [Prompt(question="Where?", history=0, seed=0)]
    assert view(first, second) == [a.text for a in whole.ask(asked, DECODING)]


def test_a_conversation_that_grows_past_the_threshold(backbone: Any) -> None:
    memory = adapter(backbone, init="zero")
    talk = Conversation(backbone, memory, decoding=DECODING)
    for text in ("Hi.", "Where is Ada?", "And Ben, who left for Rome?", "Why?"):
        before = list(talk.snapshot.messages)
        reply = talk.say(text)
        ids = backbone.render(
            [*before, {"role": "user", "content": text}], add_generation_prompt=True
        ).ids
        reach = talk.snapshot.cache.reach
        (fresh,) = generate(backbone, [ids], DECODING, seeds=[0])
        assert reach is not None
        assert reply.text == fresh.text


def test_training_batches(backbone: Any) -> None:
    """Without positions: rows are padded, and none takes another's length for its own."""
    rows = prompts(backbone)
    ids, mask = left_pad(rows, fill=0, device="cpu")
    with torch.no_grad():
        together = backbone.model(ids, attention_mask=mask.long(), use_cache=False).logits[:, -1]
        for row, logits in zip(rows, together, strict=True):
            alone = backbone.model(torch.tensor([row]), use_cache=False).logits[0, -1]
            assert float((logits - alone).abs().max()) <= SAME * float(alone.abs().max())


def test_other_models_are_left_alone(tiny: Any, make_model: Callable[..., Any]) -> None:
    assert all("forward" not in vars(module) for module in tiny.model.modules())
