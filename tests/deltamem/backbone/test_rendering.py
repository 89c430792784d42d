"""Which token belongs to which message, under templates of every habit."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from chat_templates import (
    ALTERNATES,
    DATED,
    DEFAULT_SYSTEM,
    DROPS_THINKING,
    REWRITES,
    TEMPLATES,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from deltamem import InvalidInput
from deltamem.backbone import render, render_history

TALK = [
    {"role": "user", "content": "Ada is in Oslo. She likes it! Does she?"},
    {"role": "assistant", "content": "assistant"},
    {"role": "user", "content": "a"},
    {"role": "assistant", "content": "Noted.\nGood."},
]


def with_template(tokenizer: Any, template: str) -> Any:
    other = copy.deepcopy(tokenizer)
    other.chat_template = template
    return other


@pytest.fixture(params=TEMPLATES.values(), ids=TEMPLATES)
def tokenizer(request: pytest.FixtureRequest, tiny: Any) -> Any:
    return with_template(tiny.tokenizer, request.param)


def text_of(tokenizer: Any, rendered: Any, number: int, unit: str = "message") -> str:
    ids = [t for t, s in zip(rendered.ids, rendered.segments(unit), strict=True) if s == number]
    return tokenizer.decode(ids)


def test_every_token_of_a_message_has_its_number(tokenizer: Any) -> None:
    rendered = render(tokenizer, TALK)
    assert rendered.ids == tokenizer(rendered.text, add_special_tokens=False)["input_ids"]
    for number, message in enumerate(TALK):
        shown = text_of(tokenizer, rendered, number)
        assert message["content"] in shown
        for other in TALK[0], TALK[3]:
            assert other is message or other["content"] not in shown


def test_sentences(tokenizer: Any) -> None:
    rendered = render(tokenizer, TALK[:1])
    parts = [text_of(tokenizer, rendered, n, "sentence") for n in range(3)]
    assert "Ada is in Oslo." in parts[0]
    assert "She likes it!" in parts[1]
    assert "Does she?" in parts[2]
    assert max(rendered.sentence_ids) == 2


def test_system_and_generation_prompt_belong_to_none(tiny: Any) -> None:
    system = [{"role": "system", "content": "Be kind."}]
    rendered = tiny.render([*system, *TALK[:1]], add_generation_prompt=True)
    assert "Be kind." in text_of(tiny.tokenizer, rendered, -1)
    assert text_of(tiny.tokenizer, rendered, -1).endswith("<|im_start|>assistant\n")
    assert text_of(tiny.tokenizer, rendered, 0).startswith("<|im_start|>user")
    default = with_template(tiny.tokenizer, DEFAULT_SYSTEM)
    assert "Today is a day" in text_of(default, render(default, TALK), -1)


def test_a_history_is_what_all_questions_share(tokenizer: Any) -> None:
    history = render_history(tokenizer, TALK)
    assert max(history.message_ids) == len(TALK) - 1
    for question in ("Where?", "assistant", "9 lives", "Å"):
        turn = {"role": "user", "content": question}
        whole = render(tokenizer, [*TALK, turn])
        assert whole.ids[: len(history.ids)] == history.ids
        assert question not in tokenizer.decode(history.ids)[-4:]


def test_a_history_grows_by_appending(tokenizer: Any) -> None:
    first, both = render_history(tokenizer, TALK[:2]), render_history(tokenizer, TALK)
    assert both.ids[: len(first.ids)] == first.ids
    assert len(both.ids) > len(first.ids)


def test_a_history_without_a_thinking_block(tiny: Any) -> None:
    tokenizer = with_template(tiny.tokenizer, DROPS_THINKING)
    assert "<think>" in render(tokenizer, TALK).text
    assert "<think>" not in tokenizer.decode(render_history(tokenizer, TALK).ids)


def test_joined_messages_share_a_turn_and_keep_their_numbers(tokenizer: Any) -> None:
    passages = [{"role": "user", "content": f"Passage {i} of it."} for i in range(3)]
    history = render_history(tokenizer, passages, join="\n\n")
    assert [f"Passage {i} of it." in text_of(tokenizer, history, i) for i in range(3)] == [True] * 3
    question = {"role": "user", "content": "What?"}
    whole = render(tokenizer, [*passages, question], join="\n\n", add_generation_prompt=True)
    assert whole.ids[: len(history.ids)] == history.ids
    assert "of it.\n\nWhat?" in whole.text


def test_a_template_is_told_a_fixed_day(tiny: Any) -> None:
    dated = with_template(tiny.tokenizer, DATED)
    todays = dated.apply_chat_template(TALK, tokenize=False)
    for render_it in (render, render_history):
        shown = render_it(dated, TALK).text
        assert shown.startswith(
            "<|im_start|>system\nToday: 01 July 2025\nThinking: off\n<|im_end|>"
        )
        assert shown != todays
        assert render_it(dated, TALK).ids == render_it(dated, TALK, template_date="2025-07-01").ids
        other = render_it(dated, TALK, template_date="2024-02-29")
        assert "Today: 29 February 2024\n" in other.text
        assert other.ids != render_it(dated, TALK).ids
    prompt = render(
        dated, TALK, add_generation_prompt=True, template_kwargs={"enable_thinking": True}
    )
    assert "Thinking: on" in prompt.text
    assert prompt.text.endswith("assistant\n")


def test_nothing_renders_to_nothing(tiny: Any) -> None:
    assert tiny.render([]).ids == tiny.render_history([]).ids == []


def test_refusals(tiny: Any) -> None:
    with pytest.raises(InvalidInput, match="refuses turns of the roles user, user"):
        render(with_template(tiny.tokenizer, ALTERNATES), [TALK[0], TALK[0]])
    with pytest.raises(InvalidInput, match="does not show message 0 as it is"):
        render(with_template(tiny.tokenizer, REWRITES), TALK)
    bare = copy.deepcopy(tiny.tokenizer)
    bare.chat_template = None
    with pytest.raises(InvalidInput, match="has no chat template"):
        render(bare, TALK)


@settings(max_examples=60, deadline=None)
@given(
    contents=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=30), max_size=5)
)
def test_any_content(contents: list[str], tiny: Any) -> None:
    messages = [
        {"role": ("user", "assistant")[i % 2], "content": content}
        for i, content in enumerate(contents)
    ]
    rendered = tiny.render(messages)
    assert len(rendered.ids) == len(rendered.message_ids) == len(rendered.sentence_ids)
    assert set(rendered.message_ids) <= {-1, *range(len(messages))}
    assert sorted(rendered.message_ids) == rendered.message_ids or -1 in rendered.message_ids
    history = tiny.render_history(messages)
    assert rendered.ids[: len(history.ids)] == history.ids
