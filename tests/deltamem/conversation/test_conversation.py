"""A conversation against the method of the evaluations, and what must never happen to it."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from chat_templates import CHATML, DROPS_THINKING
from random_models import random_model

from deltamem import (
    Backbone,
    DeltaMemConfig,
    DeltaMemory,
    InvalidInput,
    Unavailable,
    load_adapter,
)
from deltamem.backbone import tiny_folder
from deltamem.conversation.answering import Answering
from deltamem.conversation.conversation import Conversation
from deltamem.conversation.room import room_for
from deltamem.method.delta_mem_method import DeltaMemMethod
from deltamem.writers import MultiStateWriter, SegmentWriter, TokenWriter
from deltamem_evaluations.sample import Decoding, History, Prompt

WRITERS = {"tsw": TokenWriter(), "ssw": SegmentWriter(), "msw": MultiStateWriter(num_states=2)}
GREEDY = Decoding(max_new_tokens=6)
CLOSE = 2e-5
"""States computed in another order of sums, float32 (the parity tolerance)."""
LINES = ("Today Ada is in Oslo.", "Where is Ada today?", "I had some tea.")

STRIPS_THINKING = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
    "{% if m['role'] == 'assistant' %}{{ m['content'].split('</think>')[-1] | trim }}"
    "{% else %}{{ m['content'] }}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
COUNTS_TURNS = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
    "{% if messages | length > 3 and loop.first %}Of old: {% endif %}{{ m['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
BEGINS_WITH_A_HINT = (
    "{% if add_generation_prompt %}<|im_start|>system\nAnswer.<|im_end|>\n{% endif %}" + CHATML
)


def adapter(model: Any, writer: Any = WRITERS["tsw"]) -> DeltaMemory:
    config = DeltaMemConfig(writer=writer, init="random", init_gain=1.0)
    memory = DeltaMemory(config, model).initialise(model, seed=0)
    memory.identity = memory.sha
    return memory


@pytest.fixture(params=WRITERS.values(), ids=WRITERS)
def memory(request: pytest.FixtureRequest, tiny: Any) -> DeltaMemory:
    return adapter(tiny.model, request.param)


@pytest.fixture
def trained(tiny: Any) -> DeltaMemory:
    return load_adapter(tiny_folder() / "adapters" / "msw", tiny)


def talk(backbone: Any, memory: DeltaMemory, *lines: str, **settings: Any) -> Conversation:
    conversation = Conversation(backbone, memory, **{"decoding": GREEDY, **settings})
    for line in lines:
        conversation.say(line)
    return conversation


def with_template(backbone: Any, template: str) -> Any:
    tokenizer = copy.deepcopy(backbone.tokenizer)
    tokenizer.chat_template = template
    return replace(backbone, tokenizer=tokenizer)


def same(got: Any, wanted: Any) -> None:
    for index, layer in wanted.layers.items():
        torch.testing.assert_close(got.layers[index], layer, atol=CLOSE, rtol=CLOSE)


def agrees_with_the_method(backbone: Any, memory: DeltaMemory, context: str) -> None:
    conversation = talk(backbone, memory, context=context)
    method = DeltaMemMethod(backbone, memory, context=context)
    for line in LINES:
        wanted = method.answer([Prompt(question=line, history=0, seed=0)], GREEDY)[0]
        told: list[str] = []
        reply = conversation.say(line, on_text=told.append)
        assert reply.text == wanted.text == "".join(told)
        assert reply.generation.prompt_tokens == wanted.prompt_tokens
        turn = ({"role": "user", "content": line}, {"role": "assistant", "content": wanted.text})
        method.write([History(messages=turn)])
        same(conversation.snapshot.state, method.state)
        assert conversation.snapshot.messages[-2:] == turn
    tokens = sum(turn.tokens for turn in conversation.snapshot.turns)
    assert tokens == len(backbone.render_history(conversation.snapshot.messages).ids)


@pytest.mark.parametrize("context", ["none", "visible"])
def test_turns_are_pieces_of_a_history(tiny: Any, memory: DeltaMemory, context: str) -> None:
    agrees_with_the_method(tiny, memory, context)


def greedy(backbone: Any, memory: DeltaMemory, ids: list[int], state: Any) -> str:
    """The answer to a prompt that finds this state, every token by the whole prompt."""
    new = list(ids)
    with memory.attach(backbone.model) as attached, torch.no_grad():
        while len(new) < len(ids) + GREEDY.max_new_tokens and new[-1] not in backbone.stop_ids:
            whole = torch.tensor([new])
            output, _ = attached.forward(whole, state=state, write=False, use_cache=False)
            new.append(int(output.logits[0, -1].argmax()))
    return str(backbone.decode(new[len(ids) :]))


@pytest.mark.parametrize("context", ["none", "visible"])
def test_the_first_answer_finds_the_instructions_written(tiny: Any, context: str) -> None:
    """They are written for it alone: the state after the turn is that of one history."""
    memory = adapter(tiny.model)
    told = {"role": "system", "content": "Answer in one sentence."}
    said = {"role": "user", "content": LINES[0]}
    prompt = tiny.render([told, said], add_generation_prompt=True)
    instructions = prompt.text[: prompt.text.index("<|im_start|>user")]
    ids = tiny.tokenizer(instructions, return_tensors="pt", add_special_tokens=False)["input_ids"]
    with memory.attach(tiny.model) as attached, torch.no_grad():
        _, written = attached.forward(ids, use_cache=False)
    answer = greedy(tiny, memory, prompt.ids, written)
    assert answer != greedy(tiny, memory, prompt.ids, memory.zeros(1))
    conversation = talk(tiny, memory, context=context, system=told["content"])
    assert conversation.say(LINES[0]).text == answer
    method = DeltaMemMethod(tiny, memory, context="none")
    turn = (told, said, {"role": "assistant", "content": answer})
    method.write([History(messages=turn)])
    same(conversation.snapshot.state, method.state)


def test_without_instructions_the_first_answer_is_the_bare_backbones(tiny: Any) -> None:
    memory = adapter(tiny.model)
    prompt = tiny.render([{"role": "user", "content": LINES[0]}], add_generation_prompt=True)
    answer = greedy(tiny, memory, prompt.ids, memory.zeros(1))
    assert talk(tiny, memory).say(LINES[0]).text == answer


def test_sliding_windows(tiny: Any) -> None:
    model = random_model("gemma3", vocab_size=len(tiny.tokenizer))
    backbone = Backbone(
        model=model,
        tokenizer=tiny.tokenizer,
        name="gemma",
        revision=None,
        window=512,
        fingerprint="f",
    )
    agrees_with_the_method(backbone, adapter(model), "visible")


def test_a_trained_memory_answers_from_memory_alone(tiny: Any, trained: DeltaMemory) -> None:
    conversation = talk(
        tiny, trained, "Today Ada is in Oslo.", decoding=Decoding(max_new_tokens=24)
    )
    conversation.context = "none"
    reply = conversation.say("Where is Ada today?")
    assert reply.text == "Today Ada is in Oslo."
    alone = tiny.render([{"role": "user", "content": LINES[1]}], add_generation_prompt=True)
    assert reply.generation.prompt_tokens == len(alone.ids)
    conversation.forget()
    assert conversation.say("Where is Ada today?").text != "Today Ada is in Oslo."


class Broken(Exception):
    """Raised in the middle of an answer."""


@pytest.mark.parametrize("context", ["none", "visible"])
@pytest.mark.parametrize("fault", [Broken, KeyboardInterrupt])
def test_a_turn_that_fails_leaves_no_trace(
    context: str, fault: type[BaseException], tiny: Any
) -> None:
    memory = adapter(tiny.model)

    def fail(piece: str) -> None:
        raise fault

    calm = talk(tiny, memory, *LINES, context=context)
    hit = talk(tiny, memory, LINES[0], context=context)
    before, state = hit.snapshot, hit.snapshot.state.clone()
    keys = [layer.keys.clone() for layer in before.cache.layers] if before.cache else []
    with pytest.raises(fault):
        hit.say("Today Ben is in Rome.", on_text=fail)
    for text in ("  ", "word " * 3000):
        with pytest.raises(InvalidInput):
            hit.say(text)
    assert hit.snapshot is before
    same(before.state, state)
    for layer, kept in zip(before.cache.layers if before.cache else (), keys, strict=True):
        assert torch.equal(layer.keys, kept)
    for line in LINES[1:]:
        hit.say(line)
    assert hit.snapshot.messages == calm.snapshot.messages
    same(hit.snapshot.state, calm.snapshot.state)


@pytest.mark.parametrize("context", ["none", "visible"])
def test_a_saved_conversation_goes_on(
    context: str, tiny: Any, memory: DeltaMemory, tmp_path: Path
) -> None:
    sampled = Decoding(max_new_tokens=6, temperature=1.0)
    live = talk(tiny, memory, *LINES[:2], context=context, decoding=sampled, system="Be brief.")
    path = live.save(tmp_path / "talk.dmstate")
    loaded = talk(tiny, memory, context=context, decoding=sampled)
    loaded.load(path)
    assert loaded.snapshot.messages == live.snapshot.messages
    assert loaded.snapshot.turns == live.snapshot.turns
    for line in LINES[1:]:
        assert loaded.say(line).text == live.say(line).text
    same(loaded.snapshot.state, live.snapshot.state)
    assert loaded.snapshot.ids == live.snapshot.ids
    if context == "visible":
        assert loaded.snapshot.cache is not None
        assert live.snapshot.cache is not None
        for a, b in zip(loaded.snapshot.cache.layers, live.snapshot.cache.layers, strict=True):
            torch.testing.assert_close(a.keys, b.keys, atol=CLOSE, rtol=CLOSE)


def test_text_can_be_left_out(tiny: Any, trained: DeltaMemory, tmp_path: Path) -> None:
    live = talk(tiny, trained, "Today Ada is in Oslo.", decoding=Decoding(max_new_tokens=24))
    path = live.save(tmp_path / "bare.dmstate", text=False)
    assert b"Oslo" not in path.read_bytes()
    loaded = talk(tiny, trained, decoding=Decoding(max_new_tokens=24))
    loaded.load(path)
    assert loaded.snapshot.messages == ()
    assert not loaded.snapshot.whole
    assert loaded.say("Where is Ada today?").text == "Today Ada is in Oslo."
    again = loaded.save(tmp_path / "again.dmstate")
    loaded.load(again)
    assert not loaded.snapshot.whole
    assert len(loaded.snapshot.messages) == 2


def test_what_cannot_be_loaded_changes_nothing(
    tiny: Any, trained: DeltaMemory, tmp_path: Path
) -> None:
    conversation = talk(tiny, adapter(tiny.model), LINES[0])
    before = conversation.snapshot
    path = talk(tiny, trained, LINES[0]).save(tmp_path / "other.dmstate")
    with pytest.raises(InvalidInput, match="was written by adapter"):
        conversation.load(path)
    with pytest.raises(Unavailable):
        conversation.load(tmp_path / "nothing.dmstate")
    assert conversation.snapshot is before


def test_what_no_longer_fits_leaves_the_view_and_stays_in_the_memory(tiny: Any) -> None:
    memory = adapter(tiny.model)
    short = replace(tiny, window=96)
    conversation = talk(short, memory, system="Be brief.")
    written, notes = [], []
    for number in range(8):
        reply = conversation.say(f"Today Ada is in Oslo. I had tea {number}.")
        notes += reply.notes
        held = conversation.snapshot
        assert reply.generation.prompt_tokens + GREEDY.max_new_tokens <= short.window
        assert held.ids == tuple(short.render_history(held.shown).ids)
        assert held.shown[0]["content"] == "Be brief."
        written.append(held.turns[-1].tokens)
    assert notes
    assert all("out of view now; the memory keeps" in note for note in notes)
    assert conversation.snapshot.shown_from > 0
    assert len(conversation.snapshot.messages) == 1 + 2 * 8
    assert max(written[1:]) - min(written[1:]) <= GREEDY.max_new_tokens  # each turn once


def test_dropping_turns_from_view_leaves_the_state(tiny: Any) -> None:
    memory = adapter(tiny.model)
    conversation = talk(tiny, memory, *LINES)
    state = conversation.snapshot.state
    conversation.backbone = replace(tiny, window=len(conversation.snapshot.ids) + 10)
    held = room_for(
        {"role": "user", "content": "x"},
        conversation.snapshot,
        backbone=conversation.backbone,
        memory=memory,
        max_new_tokens=GREEDY.max_new_tokens,
        answer_tokens=0,
        notes=[],
    )
    assert held.shown_from == 4
    assert held.state is state


def test_context_may_change_between_turns(tiny: Any) -> None:
    memory = adapter(tiny.model)
    conversation = talk(tiny, memory, LINES[0])
    conversation.context = "none"
    conversation.say(LINES[1])
    assert conversation.snapshot.cache is None
    conversation.context = "visible"
    before = conversation.snapshot.state.clone()
    reply = conversation.say(LINES[2])
    shown = tiny.render(
        [*conversation.snapshot.messages[:4], {"role": "user", "content": LINES[2]}],
        add_generation_prompt=True,
    )
    assert reply.generation.prompt_tokens == len(shown.ids)
    assert conversation.snapshot.cache is not None
    assert conversation.snapshot.cache.get_seq_length() == len(conversation.snapshot.ids)
    assert not torch.equal(before.layers[0], conversation.snapshot.state.layers[0])
    with pytest.raises(InvalidInput, match="context is 'part'"):
        conversation.context = "part"


@pytest.mark.parametrize("context", ["none", "visible"])
def test_templates_that_drop_thinking(context: str, tiny: Any) -> None:
    agrees_with_the_method(with_template(tiny, DROPS_THINKING), adapter(tiny.model), context)


def test_thoughts_that_later_turns_do_not_show(tiny: Any, trained: DeltaMemory) -> None:
    """What is written and shown later is what the template shows of an answer."""
    for template, kept in ((STRIPS_THINKING, "b"), (CHATML, "<think>\na\n</think>\n\nb")):
        backbone = with_template(tiny, template)
        conversation = talk(backbone, trained)
        held, rendered = conversation._with_answer(
            replace(conversation.snapshot, messages=({"role": "user", "content": "q"},)),
            "<think>\na\n</think>\n\nb",
        )
        assert held.messages[-1] == {"role": "assistant", "content": kept}
        assert rendered.ids == backbone.render_history(held.messages).ids


@pytest.mark.parametrize("context", ["none", "visible"])
def test_a_template_that_rewrites_earlier_turns(context: str, tiny: Any) -> None:
    memory = adapter(tiny.model, WRITERS["ssw"])
    backbone = with_template(tiny, COUNTS_TURNS)
    conversation = talk(backbone, memory, context=context)
    notes = [conversation.say(line).notes for line in LINES]
    assert [bool(note) for note in notes] == [False, True, False]
    assert "the conversation was written again from its text" in notes[1][0]
    assert conversation.snapshot.ids == tuple(
        backbone.render_history(conversation.snapshot.messages).ids
    )
    again = talk(backbone, memory, *LINES[:2], context=context)
    method = DeltaMemMethod(backbone, memory, context="none")
    method.write([History(messages=again.snapshot.messages)])
    same(again.snapshot.state, method.state)
    bare = talk(backbone, memory, LINES[0], context=context)
    bare._now = replace(bare.snapshot, whole=False)
    before = bare.snapshot
    with pytest.raises(InvalidInput, match="now shows earlier turns differently"):
        bare.say(LINES[1])
    assert bare.snapshot is before


def test_a_history_that_a_question_rewrites_is_read_with_it(
    tiny: Any, trained: DeltaMemory
) -> None:
    backbone = with_template(tiny, BEGINS_WITH_A_HINT)
    conversation = talk(backbone, trained, LINES[0])
    question = {"role": "user", "content": LINES[1]}
    whole = backbone.render([*conversation.snapshot.messages, question], add_generation_prompt=True)
    state = conversation.snapshot.state
    reply = conversation.say(LINES[1])
    assert reply.generation.prompt_tokens == len(whole.ids)
    with torch.no_grad(), trained.attach(tiny.model) as attached:
        output, _ = attached.forward(torch.tensor([whole.ids]), state=state, write=False)
    first = int(output.logits[0, -1].argmax())
    assert reply.text.startswith(tiny.decode([first]))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"max_new_tokens": 0}, "decoding.max_new_tokens is 0; it must be at least 1"),
        ({"temperature": -1.0}, "decoding.temperature is -1.0"),
        ({"top_p": 0.0}, "decoding.top_p is 0.0; it must be above 0"),
        ({"top_k": -1}, "decoding.top_k is -1"),
    ],
)
def test_decoding_that_makes_no_sense(
    settings: dict[str, Any], sentence: str, tiny: Any, trained: DeltaMemory
) -> None:
    with pytest.raises(InvalidInput, match=sentence):
        Conversation(tiny, trained, decoding=Decoding(**{"max_new_tokens": 6, **settings}))


def test_sampled_answers_follow_the_seed(tiny: Any, trained: DeltaMemory) -> None:
    sampled = Decoding(max_new_tokens=12, temperature=2.0)
    said = [
        talk(tiny, trained, *LINES, decoding=sampled, seed=s).snapshot.messages for s in (0, 0, 1)
    ]
    assert said[0] == said[1] != said[2]


@pytest.mark.parametrize("context", ["none", "visible"])
def test_a_told_turn_is_one_that_was_said_here(context: str, tiny: Any) -> None:
    memory = adapter(tiny.model, WRITERS["ssw"])
    said = talk(tiny, memory, *LINES, context=context, system="Be brief.")
    told = talk(tiny, memory, context=context, system="Be brief.")
    answers = [m["content"] for m in said.snapshot.messages if m["role"] == "assistant"]
    for line, answer in zip(LINES[:2], answers, strict=False):
        assert told.tell(line, answer) == ()
    assert told.say(LINES[2]).text == answers[2]
    assert told.snapshot.messages == said.snapshot.messages
    assert told.snapshot.turns == said.snapshot.turns
    for index, layer in said.snapshot.state.layers.items():
        assert torch.equal(told.snapshot.state.layers[index], layer)


def test_a_told_turn_that_does_not_fit_is_refused(tiny: Any) -> None:
    conversation = talk(replace(tiny, window=96), adapter(tiny.model), LINES[0])
    before = conversation.snapshot
    for text, answer in ((" ", "Yes."), ("Tell me.", "word " * 100)):
        with pytest.raises(InvalidInput):
            conversation.tell(text, answer)
    assert conversation.snapshot is before
    conversation.context = "none"
    conversation.tell("Tell me.", "word " * 100)
    assert len(conversation.snapshot.messages) == 4


def test_turns_are_taken_together_or_not_at_all(tiny: Any) -> None:
    conversation = talk(tiny, adapter(tiny.model), LINES[0])
    before = conversation.snapshot
    with pytest.raises(Broken), conversation.all_or_none():
        conversation.tell(LINES[1], "Oslo.")
        raise Broken
    assert conversation.snapshot is before
    with conversation.all_or_none():
        conversation.tell(LINES[1], "Oslo.")
    assert len(conversation.snapshot.messages) == 4


def test_an_answer_ends_before_a_stop_text(tiny: Any, trained: DeltaMemory) -> None:
    limit = Decoding(max_new_tokens=24)
    whole = talk(tiny, trained, decoding=limit).say("Today Ada is in Oslo.")
    told: list[str] = []
    cut = talk(tiny, trained, decoding=limit)
    reply = cut.say(
        "Today Ada is in Oslo.",
        answering=Answering(decoding=limit, stop=(whole.text[4:7], "never said")),
        on_text=told.append,
    )
    assert reply.text == "".join(told) == whole.text[:4].rstrip()
    assert reply.generation.finish == "stop"
    assert reply.generation.new_tokens < whole.generation.new_tokens
    assert cut.snapshot.messages[-1]["content"] == reply.text
