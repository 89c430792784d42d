"""Which token belongs to which message, under templates of every habit."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
from chat_templates import (
    ALTERNATES,
    CHATML,
    DATED,
    DEFAULT_SYSTEM,
    DROPS_SYSTEM,
    DROPS_THINKING,
    NO_SYSTEM,
    REWRITES,
    SPEAKERS,
    TEMPLATES,
    TRIMS,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from deltamem import InvalidInput
from deltamem.backbone import render, render_history
from deltamem.backbone.rendering.chat_template import chat_template

TALK = [
    {"role": "user", "content": "Ada is in Oslo. She likes it! Does she?"},
    {"role": "assistant", "content": "assistant"},
    {"role": "user", "content": "a"},
    {"role": "assistant", "content": "Noted.\nGood."},
]

REFUSING = (NO_SYSTEM, DROPS_SYSTEM)


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


@pytest.mark.parametrize("join", ["\n\n", " ", "\n"])
def test_a_separator_is_no_segment(join: str, tiny: Any) -> None:
    """Found where a history is read ahead: the separator before the question wrote for itself."""
    passages = [{"role": "user", "content": c} for c in ("Passage one.", "Passage two.")]
    history = tiny.render_history(passages, join=join)
    for unit, count in ("message", 2), ("sentence", 2):
        assert set(history.segments(unit)) == set(range(count))
        shown = "".join(text_of(tiny.tokenizer, history, n, unit) for n in range(count))
        assert shown == f"<|im_start|>user\nPassage one.{join}Passage two.{join.strip(' ')}"


def test_outer_white_space_in_a_joined_turn(tiny: Any) -> None:
    """MemoryAgentBench's ordinary text, under a template that trims."""
    tokenizer = with_template(tiny.tokenizer, TRIMS)
    pieces = [{"role": "user", "content": c} for c in ("\nOne. ", " Two.\n", "Three. \n")]
    rendered = render(tokenizer, pieces, join="\n")
    assert rendered.text == "<|im_start|>user\nOne. \n Two.\n\nThree.<|im_end|>\n"
    shown = [text_of(tokenizer, rendered, number) for number in range(3)]
    assert [text.strip() for text in shown] == [
        "<|im_start|>user\nOne.",
        "Two.",
        "Three.<|im_end|>",
    ]


@pytest.mark.parametrize("template", [NO_SYSTEM, DROPS_SYSTEM], ids=["refuses", "drops"])
def test_instructions_open_the_first_user_turn(template: str, tiny: Any) -> None:
    tokenizer = with_template(tiny.tokenizer, template)
    assert not chat_template(tokenizer).system_role
    system = {"role": "system", "content": "Be kind."}
    merged = [{"role": "user", "content": f"Be kind.\n\n{TALK[0]['content']}"}, *TALK[1:]]
    rendered = render(tokenizer, [system, *TALK], add_generation_prompt=True)
    same = tokenizer.apply_chat_template(merged, tokenize=False, add_generation_prompt=True)
    assert rendered.text == same
    assert text_of(tokenizer, rendered, -1).startswith("<|im_start|>user\nBe kind.")
    assert text_of(tokenizer, rendered, 0).startswith(TALK[0]["content"])
    # without its history the question takes them in
    alone = render(tokenizer, [system, TALK[2]], add_generation_prompt=True)
    assert "<|im_start|>user\nBe kind.\n\na<|im_end|>" in alone.text
    history = render_history(tokenizer, [system, *TALK])
    assert rendered.ids[: len(history.ids)] == history.ids


def test_a_place_for_instructions_is_used(tokenizer: Any) -> None:
    system = [{"role": "system", "content": "Be kind."}]
    template = chat_template(tokenizer)
    shown = render(tokenizer, [*system, TALK[0]]).text
    assert ("Be kind.\n\nAda" in shown) is (not template.system_role)
    assert template.system_role is (tokenizer.chat_template not in (*REFUSING, ALTERNATES))


@pytest.mark.parametrize(
    "template",
    [CHATML, TRIMS, NO_SYSTEM, ALTERNATES, DROPS_THINKING],
    ids=["chatml", "trims", "no_system", "alternates", "drops_thinking"],
)
def test_the_token_that_ends_a_turn(template: str, tiny: Any) -> None:
    tokenizer = with_template(tiny.tokenizer, template)
    tokenizer.eos_token = "<|endoftext|>"
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert chat_template(tokenizer).end_of_turn == end
    named = replace(tiny, tokenizer=tokenizer)
    assert named.stop_ids == {tokenizer.eos_token_id, end}
    # what ends a turn belongs to its message, whatever the tokenizer calls the end of a sequence
    assert text_of(tokenizer, render_history(tokenizer, TALK), 3).rstrip().endswith("<|im_end|>")


def test_words_that_end_a_turn_stop_nothing(tiny: Any) -> None:
    tokenizer = with_template(tiny.tokenizer, SPEAKERS)
    assert chat_template(tokenizer).end_of_turn is None
    assert replace(tiny, tokenizer=tokenizer).stop_ids == tiny.stop_ids
    bare = copy.deepcopy(tokenizer)
    bare.chat_template = None
    assert chat_template(bare).end_of_turn is None


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
    with pytest.raises(InvalidInput, match="does not show message 0 unchanged"):
        render(with_template(tiny.tokenizer, REWRITES), TALK)
    bare = copy.deepcopy(tiny.tokenizer)
    bare.chat_template = None
    with pytest.raises(InvalidInput, match="has no chat template"):
        render(bare, TALK)


@settings(max_examples=60)
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
