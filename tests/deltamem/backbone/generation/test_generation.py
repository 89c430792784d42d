"""Decoding: greedy equals transformers', sampling depends on nothing but its seed."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
import torch

from deltamem.backbone import DroppedContext, VisibleContext, generate, left_pad
from deltamem.backbone.generation.sampling import sample_token
from deltamem_evaluations.sample import Cut, Decoding, History, Prompt

GREEDY = Decoding(max_new_tokens=8)
SAMPLED = Decoding(max_new_tokens=8, temperature=1.5, top_p=0.95, top_k=50)


def prompts(tiny: Any) -> list[list[int]]:
    texts = ("Where is Ada today?", "Today Ben is in Oslo. Today Eva is in Rome.", "Hi")
    return [
        tiny.render([{"role": "user", "content": t}], add_generation_prompt=True).ids for t in texts
    ]


def test_greedy_is_what_transformers_decodes(tiny: Any) -> None:
    for ids in prompts(tiny):
        mine = generate(tiny, [ids], GREEDY, seeds=[0])[0]
        theirs = tiny.model.generate(
            torch.tensor([ids]), max_new_tokens=8, do_sample=False, eos_token_id=list(tiny.stop_ids)
        )[0, len(ids) :]
        assert mine.text == tiny.decode(theirs.tolist())
        assert mine.new_tokens == len(theirs)
        assert mine.prompt_tokens == len(ids)


def test_the_end_of_a_turn_stops_under_another_end_of_sequence(tiny: Any) -> None:
    """As with a base model whose ``<|endoftext|>`` was kept: 20 of 20 answers ran to the limit."""
    tokenizer, model = copy.deepcopy(tiny.tokenizer), copy.deepcopy(tiny.model)
    tokenizer.eos_token = "<|endoftext|>"
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    base = replace(tiny, tokenizer=tokenizer, model=model)
    decoding = Decoding(max_new_tokens=24)
    seeds = [0] * 3
    ended, right = (generate(b, prompts(tiny), decoding, seeds=seeds) for b in (base, tiny))
    assert [g.text for g in ended] == [g.text for g in right]
    assert {g.finish for g in ended} == {"stop"}


@pytest.mark.parametrize("decoding", [GREEDY, SAMPLED], ids=["greedy", "sampled"])
def test_batches_change_nothing(tiny: Any, decoding: Decoding) -> None:
    rows, seeds = prompts(tiny), [11, 12, 13]
    together = generate(tiny, rows, decoding, seeds=seeds)
    alone = [generate(tiny, [r], decoding, seeds=[s])[0] for r, s in zip(rows, seeds, strict=True)]
    turned = generate(tiny, rows[::-1], decoding, seeds=seeds[::-1])
    texts = [g.text for g in together]
    assert texts == [g.text for g in alone] == [g.text for g in turned][::-1]
    assert [g.new_tokens for g in together] == [g.new_tokens for g in alone]


def test_another_seed_is_another_answer(tiny: Any) -> None:
    row = prompts(tiny)[:1]
    texts = {generate(tiny, row, SAMPLED, seeds=[s])[0].text for s in range(6)}
    assert len(texts) > 1


def test_sampling_follows_the_distribution() -> None:
    logits = torch.tensor([0.0, 1.0, 2.0, -torch.inf, 0.5])
    generator = torch.Generator().manual_seed(0)
    counts = torch.zeros(5)
    for _ in range(4000):
        counts[sample_token(logits, Decoding(max_new_tokens=1, temperature=1.0), generator)] += 1
    # four standard errors of a share at n = 4000
    assert float((counts / 4000 - logits.softmax(-1)).abs().max()) < 4 * 0.5 / 4000**0.5


@pytest.mark.parametrize(
    ("decoding", "allowed"),
    [
        (Decoding(max_new_tokens=1, temperature=1.0, top_k=2), {1, 2}),
        (Decoding(max_new_tokens=1, temperature=1.0, top_p=0.5), {2}),
        (Decoding(max_new_tokens=1, temperature=1.0, top_p=0.7), {1, 2}),
        (Decoding(max_new_tokens=1, temperature=0.0), {2}),
        (Decoding(max_new_tokens=1, temperature=1e-6), {2}),
    ],
    ids=str,
)
def test_what_may_be_sampled(decoding: Decoding, allowed: set[int]) -> None:
    logits = torch.tensor([0.0, 1.0, 2.0, -1.0])
    generator = torch.Generator().manual_seed(1)
    assert {sample_token(logits, decoding, generator) for _ in range(300)} == allowed


def test_the_window_ends_an_answer(tiny: Any) -> None:
    """Per row, whatever else is in the batch."""
    from dataclasses import replace

    rows = prompts(tiny)
    long = Decoding(max_new_tokens=50, temperature=5.0)
    narrow = replace(tiny, window=len(rows[0]) + 4)
    for batch in ([rows[0]], [rows[0], rows[2]]):
        answer = generate(narrow, batch, long, seeds=[1] * len(batch))[0]
        assert (answer.new_tokens, answer.finish) == (4, "window")
    assert (
        generate(narrow, rows[:1], Decoding(max_new_tokens=2, temperature=5.0), seeds=[1])[0].finish
        == "length"
    )


def test_padding_on_the_left() -> None:
    ids, mask = left_pad([[5], [6, 7, 8], []], fill=9, device="cpu")
    assert ids.tolist() == [[9, 9, 5], [6, 7, 8], [9, 9, 9]]
    assert mask.tolist() == [[False, False, True], [True] * 3, [False] * 3]


TALKS = [
    [
        {"role": "user", "content": "Today Ada is in Oslo."},
        {"role": "assistant", "content": "Good."},
    ],
    [{"role": "user", "content": "Today Ben is in Rome. Today Eva is in Bern."}],
]
QUESTIONS = ("Where is Ada today?", "Where is Ben today?", "Where is Eva today?")


def ask_whole(tiny: Any, messages: list[dict[str, str]], question: str, join: str | None) -> str:
    turn = {"role": "user", "content": question}
    ids = tiny.render([*messages, turn], join=join, add_generation_prompt=True).ids
    return generate(tiny, [ids], GREEDY, seeds=[0])[0].text


@pytest.mark.parametrize("join", [None, "\n\n"], ids=["turns", "joined"])
def test_a_cached_history_answers_as_a_whole_prompt(tiny: Any, join: str | None) -> None:
    view = VisibleContext(tiny, batch=2)
    reports = view.read([History(messages=tuple(talk), join=join) for talk in TALKS])
    assert [r.cut_side for r in reports] == [None, None]
    asked = [(0, q) for q in QUESTIONS] + [(1, q) for q in QUESTIONS]
    for _ in range(2):  # asking changes nothing
        answers = view.ask([Prompt(question=q, history=h, seed=0) for h, q in asked], GREEDY)
        for (history, question), answer in zip(asked, answers, strict=True):
            assert answer.text == ask_whole(tiny, TALKS[history], question, join)


def test_a_history_read_in_pieces(tiny: Any) -> None:
    once, twice = VisibleContext(tiny, batch=1), VisibleContext(tiny, batch=1)
    once.read([History(messages=tuple(TALKS[0] + TALKS[1]))])
    for talk in TALKS:
        twice.read([History(messages=tuple(talk))])
    prompts_ = [Prompt(question=q, history=0, seed=0) for q in QUESTIONS]
    assert [a.text for a in once.ask(prompts_, GREEDY)] == [
        a.text for a in twice.ask(prompts_, GREEDY)
    ]


def test_a_history_that_is_too_long_is_cut_and_reported(tiny: Any) -> None:
    long = tuple({"role": "user", "content": f"Today Ada is in Oslo. {i}"} for i in range(160))
    history = History(messages=long, join="\n", cut=Cut(side="start"), reserve=tiny.window)
    view = VisibleContext(tiny, batch=1)
    (report,) = view.read([history])
    assert report.cut_side == "start"
    assert report.shown_tokens <= tiny.window // 2 < report.original_tokens
    assert "159" in tiny.decode(view._ids[0])
    assert "Oslo. 0" not in tiny.decode(view._ids[0])


def test_a_dropped_history_leaves_its_instructions(tiny: Any) -> None:
    system = {"role": "system", "content": "Say it briefly."}
    dropped = DroppedContext(tiny, batch=1)
    (report,) = dropped.read([History(messages=(system, *TALKS[0]))])
    assert report.shown_tokens == 0 < report.original_tokens
    ids = dropped.prompt_ids(Prompt(question="Where?", history=0, seed=0))
    text = tiny.tokenizer.decode(ids)
    assert "Say it briefly." in text
    assert "Ada" not in text


def test_sliding_windows_answer_alike_in_batches(make_model: Any, tiny: Any) -> None:
    from dataclasses import replace

    model = make_model("gemma3", vocab_size=len(tiny.tokenizer))
    backbone = replace(tiny, model=model)
    view = VisibleContext(backbone, batch=2)
    view.read([History(messages=tuple(talk)) for talk in TALKS])
    asked = [Prompt(question=q, history=h, seed=0) for h in (0, 1) for q in QUESTIONS]
    for prompt, answer in zip(asked, view.ask(asked, GREEDY), strict=True):
        alone = VisibleContext(backbone, batch=1)
        alone.read([History(messages=tuple(TALKS[prompt.history]))])
        (single,) = alone.ask([Prompt(question=prompt.question, history=0, seed=0)], GREEDY)
        assert answer.text == single.text
