"""Any contents, under templates that show them as they are or trim them: whose is each token?"""

from __future__ import annotations

import copy
from collections.abc import Callable
from itertools import groupby
from typing import Any

import pytest
from chat_templates import CHATML, NO_SYSTEM, TRIMS, TRIMS_THE_END
from hypothesis import example, given, settings
from hypothesis import strategies as st

from deltamem.backbone import render, render_history

STYLES: dict[str, tuple[str, Callable[[str], tuple[int, int]]]] = {
    "verbatim": (CHATML, lambda said: (0, len(said))),
    "trims": (TRIMS, lambda said: (len(said) - len(said.lstrip()), len(said.rstrip()))),
    "trims_the_end": (TRIMS_THE_END, lambda said: (0, len(said.rstrip()))),
    "trims_the_start": (
        CHATML.replace("m['content']", "m['content'].lstrip('\\n')"),
        lambda said: (len(said) - len(said.lstrip("\n")), len(said)),
    ),
}
"""A template, and which part of a turn it shows."""
CONTENTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    st.text(" \n\t.!Aé日\u00a0", max_size=6),
    st.sampled_from(["<|im_end|>", " <|im_start|>user\n", "</think>", "<|endoftext|> x\n", "\n\n"]),
)
JOINS = st.sampled_from([None, "\n\n", "\n", " ", "", " | "])
MESSAGES = st.lists(
    st.tuples(st.sampled_from(["user", "user", "assistant"]), CONTENTS), max_size=6
).map(lambda talk: [{"role": role, "content": content} for role, content in talk])


def styled(tokenizer: Any, style: str) -> Any:
    other = copy.deepcopy(tokenizer)
    other.chat_template = STYLES[style][0]
    return other


@pytest.fixture(scope="module", params=STYLES)
def style(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def tokenizer(style: str, tiny: Any) -> Any:
    return styled(tiny.tokenizer, style)


def turns_by_hand(messages: Any, join: str | None) -> list[list[dict[str, str]]]:
    if join is None:
        return [[m] for m in messages]
    return [list(group) for _, group in groupby(messages, key=lambda m: m["role"])]


def by_hand(
    style: str, messages: Any, join: str | None
) -> tuple[str, list[tuple[int, int]], list[int]]:
    """The text, where each content stands in it, and which messages are the first of a turn."""
    text, places, firsts = "", [], []
    for turn in turns_by_hand(messages, join):
        said = (join or "").join(m["content"] for m in turn)
        first, last = STYLES[style][1](said)
        text += f"<|im_start|>{turn[0]['role']}\n"
        firsts.append(len(places))
        at = 0
        for message in turn:
            end = at + len(message["content"])
            inside = [len(text) + min(max(p, first), max(last, first)) - first for p in (at, end)]
            places.append((inside[0], inside[1]))
            at = end + len(join or "")
        text += said[first:last] + "<|im_end|>\n"
    return text, places, firsts


def owners(place: tuple[int, int], places: list[tuple[int, int]]) -> list[int]:
    """Messages of whose contents a token shows something."""
    start, end = place
    return [i for i, (a, b) in enumerate(places) if max(a, start) < min(b, end)]


@settings(max_examples=150)
@given(messages=MESSAGES, join=JOINS)
@example(messages=[{"role": "user", "content": c} for c in ("\nA. ", " B ", "C\n")], join="\n\n")
@example(messages=[{"role": "user", "content": c} for c in ("", "A", "", "", "B", "")], join="\n")
def test_every_token_of_a_content_is_its_messages(
    messages: Any, join: str | None, style: str, tokenizer: Any
) -> None:
    text, places, firsts = by_hand(style, messages, join)
    rendered = render(tokenizer, messages, join=join)
    assert rendered.text == text
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    assert rendered.ids == encoded["input_ids"]
    kept: set[int] = set()
    for place, number in zip(encoded["offset_mapping"], rendered.message_ids, strict=True):
        whose = owners(place, places)
        assert not whose or number == whose[0]
        kept.update(whose)
    # what stands between two messages is never a segment of its own
    assert set(rendered.message_ids) <= {*kept, *firsts}


@settings(max_examples=100)
@given(messages=MESSAGES, question=CONTENTS, join=JOINS, cut=st.integers(0, 6))
def test_a_history_never_holds_anything_of_the_question(
    messages: Any, question: str, join: str | None, cut: int, tokenizer: Any
) -> None:
    history = render_history(tokenizer, messages, join=join)
    assert set(history.message_ids) <= set(range(len(messages)))
    assert all(number >= 0 for number in history.sentence_ids)
    turn = {"role": "user", "content": f"Q{question}?"}
    whole = render(tokenizer, [*messages, turn], join=join, add_generation_prompt=True)
    if whole.ids[: len(history.ids)] == history.ids:  # a token may reach into the question
        assert whole.message_ids[: len(history.ids)] == history.message_ids
    first = render_history(tokenizer, messages[:cut], join=join)
    if history.ids[: len(first.ids)] == first.ids:
        assert history.message_ids[: len(first.ids)] == first.message_ids


@settings(max_examples=60)
@given(system=CONTENTS, messages=MESSAGES, join=JOINS)
def test_instructions_without_a_place_open_the_first_user_turn(
    system: str, messages: Any, join: str | None, tiny: Any
) -> None:
    tokenizer = copy.deepcopy(tiny.tokenizer)
    tokenizer.chat_template = NO_SYSTEM
    told = [{"role": "system", "content": system}, *messages]
    rendered = render(tokenizer, told, join=join)
    turns = [
        {"role": turn[0]["role"], "content": (join or "").join(m["content"] for m in turn)}
        for turn in turns_by_hand(messages, join)
    ]
    if turns and turns[0]["role"] == "user":
        turns[0]["content"] = f"{system}\n\n{turns[0]['content']}"
    else:
        turns.insert(0, {"role": "user", "content": system})
    assert rendered.text == tokenizer.apply_chat_template(turns, tokenize=False)
    assert set(rendered.message_ids) <= set(range(-1, len(messages)))
    shown = [t for t, n in zip(rendered.ids, rendered.message_ids, strict=True) if n < 0]
    assert system.strip() in tokenizer.decode(shown) or not system.isascii()
