"""The curriculum: what every sequence says, which of its tokens are learnt, and what comes when."""

from __future__ import annotations

import random
from functools import cache
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_recall import answer_by_reading

from deltamem.pretraining import Curriculum, TokenSequence, build_tokenizer
from deltamem.pretraining.curriculum import BLANK, COPY_LENGTH, LONGEST
from deltamem_base.faults import InvalidInput
from deltamem_cli.training_data.pretraining_dialogues import RecallDialogues, tokenizer_texts
from deltamem_evaluations.benchmarks.recall.dialogues import FILLERS

DIALOGUES = RecallDialogues()
TOKENIZER = build_tokenizer(tokenizer_texts(), window=2048)
STEPS, COPY_STEPS, BATCH = 420, 20, 4
"""After the copy steps 400 remain: pairs end with step 120, sentences with 200, growth with 320."""
FACTS = range(COPY_STEPS, STEPS, 2)
"""Steps that are not copy steps."""
BLANKS = 5.0
"""Standard errors that the share of blank dialogues may be away from what is meant."""


def curriculum(seed: int = 0) -> Curriculum:
    return Curriculum(
        TOKENIZER, DIALOGUES, steps=STEPS, copy_steps=COPY_STEPS, batch=BATCH, seed=seed
    )


@cache
def of_step(step: int, seed: int = 0) -> list[TokenSequence]:
    made = curriculum(seed)
    return [made[step * BATCH + i] for i in range(BATCH)]


def words(sequence: TokenSequence) -> list[str]:
    return [TOKENIZER.decode([token]) for token in sequence.ids]


def kind(sequence: TokenSequence) -> str:
    text = TOKENIZER.decode(sequence.ids)
    if text.startswith("<|im_start|>"):
        return "dialogue"
    if text.startswith(" Today"):
        return "sentences"
    # of a pair only the place is learnt, of a copy everything
    return "copy" if (True, True) in pairwise(sequence.learnt) else "pairs"


@given(seed=st.integers(0, 2**31), index=st.integers(0, STEPS * BATCH - 1))
def test_a_sequence_follows_from_seed_and_index(seed: int, index: int) -> None:
    made = curriculum(seed)
    one = made[index]
    assert made[index] == one == curriculum(seed)[index]
    assert len(one.ids) == len(one.learnt)
    assert one.id == f"step {index // BATCH}, sequence {index}"


def test_seeds_and_neighbours_differ() -> None:
    one, other = curriculum(0), curriculum(1)
    assert len(one) == STEPS * BATCH
    for step in (0, 40, 150, 400):
        index = step * BATCH
        assert one[index].ids != one[index + 1].ids
        assert one[index].ids != other[index].ids


@pytest.mark.parametrize("step", [0, 7, COPY_STEPS - 1, COPY_STEPS + 1, STEPS - 1])
def test_copies(step: int) -> None:
    for sequence in of_step(step):
        ids, size = sequence.ids, sequence.learnt.index(True)
        assert 4 <= size <= 16
        assert len(ids) == COPY_LENGTH >= 3 * size
        assert all(ids[i] == ids[i - size] for i in range(size, len(ids)))
        assert sequence.learnt == [False] * size + [True] * (len(ids) - size)


def test_the_alphabet_of_copies_grows_to_all_but_the_special_tokens() -> None:
    everything = len(TOKENIZER)
    made = Curriculum(TOKENIZER, DIALOGUES, steps=1000, copy_steps=1000, batch=8, seed=0)

    def lowest(step: int) -> int:
        return min(min(made[step * 8 + i].ids) for i in range(8))

    # the most used tokens were merged last
    assert all(lowest(step) >= everything - 64 for step in range(0, 201, 10))
    assert everything - 128 <= min(map(lowest, range(280, 301))) < everything - 64
    late = [
        token for step in range(700, 1000) for i in range(8) for token in made[step * 8 + i].ids
    ]
    assert set(late) == set(range(everything)) - set(TOKENIZER.all_special_ids)


def test_pairs() -> None:
    for sequence in of_step(40):
        said = [word.strip() for word in words(sequence)]
        pairs = list(zip(said[::2], said[1::2], strict=True))
        facts = len(pairs) // 3
        assert 2 <= facts <= 8
        assert len(pairs) == 3 * facts
        known = dict(pairs[:facts])
        assert len(known) == len(set(known.values())) == facts
        assert all(known[name] == place for name, place in pairs[facts:])
        assert set(known) <= set(DIALOGUES.names)
        assert set(known.values()) <= set(DIALOGUES.places)
        assert sequence.learnt == [False] * (2 * facts) + [False, True] * (2 * facts)


def test_sentences() -> None:
    found = [s for step in range(120, 200, 2) for s in of_step(step) if kind(s) == "sentences"]
    for sequence in found:
        said = words(sequence)
        places = [i for i, word in enumerate(said) if word.strip() in DIALOGUES.places]
        facts = len(places) // 3
        statements = [f" {text}." for text in "".join(said).removesuffix(".").strip().split(". ")]
        assert [text.split()[-1] for text in statements] == [f"{said[i].strip()}." for i in places]
        assert all(text.startswith(" Today ") and " is in " in text for text in statements)
        assert len(set(statements[:facts])) == facts
        assert set(statements[facts:]) <= set(statements[:facts])
        assert [i for i, learnt in enumerate(sequence.learnt) if learnt] == places[facts:]


def read(sequence: TokenSequence) -> tuple[list[dict[str, str]], list[tuple[str, str]]]:
    """Messages, and four questions with what is learnt as their answers."""
    turns = TOKENIZER.decode(sequence.ids).split("<|im_start|>")[1:]
    said = [turn.removesuffix("<|im_end|>\n").partition("\n") for turn in turns]
    messages = [{"role": role, "content": content} for role, _, content in said]
    answers, run = [], []
    for token, learnt in zip(sequence.ids, sequence.learnt, strict=True):
        if learnt:
            run.append(token)
        elif run:
            answers.append(TOKENIZER.decode(run))
            run = []
    assert not run
    asked = [m["content"] for m in messages[-8::2]]
    assert all(text.endswith("<|im_end|>") for text in answers)
    shown = [m["content"] for m in messages[-7::2]]
    assert [text.removesuffix("<|im_end|>") for text in answers] == shown
    return messages[:-8], list(zip(asked, shown, strict=True))


def test_dialogues() -> None:
    sequences = [s for step in FACTS for s in of_step(step) if kind(s) == "dialogue"]
    blank = 0
    for sequence in sequences:
        messages, asked = read(sequence)
        blank += not messages
        for question, answer in asked if messages else ():
            place = answer_by_reading(messages, question)
            assert answer.endswith(f"is in {place}.")
            assert all(f"{line}." in answer for line in answer.removesuffix(".").split(". "))
    expected = BLANK * len(sequences)
    assert abs(blank - expected) <= BLANKS * (expected * (1 - BLANK)) ** 0.5
    assert blank > 0


def statements(sequence: TokenSequence) -> int:
    messages, _ = read(sequence)
    return sum(m["content"].startswith("Today") for m in messages)


def test_stages_move_as_documented() -> None:
    kinds = {step: {kind(s) for s in of_step(step)} for step in range(STEPS)}
    assert all(len(found) == 1 for found in kinds.values()), "one kind in a step"
    (order,) = zip(*kinds.values(), strict=True)
    assert set(order[:COPY_STEPS]) == {"copy"}
    assert set(order[COPY_STEPS + 1 :: 2]) == {"copy"}
    assert set(order[COPY_STEPS:120:2]) == {"pairs"}
    assert set(order[120:200:2]) == {"pairs", "sentences"}
    assert set(order[200::2]) == {"dialogue"}


def test_dialogues_grow_harder() -> None:
    most: dict[str, int] = {}
    special: dict[str, list[bool]] = {"first": [], "middle": [], "last": []}
    for step in range(200, STEPS, 2):
        part = "first" if step < 260 else "middle" if step < 320 else "last"
        sizes = {statements(s) for s in of_step(step)} - {0}
        assert len(sizes) <= 1, "one number of statements in a step"
        most[part] = max(most.get(part, 0), *sizes, 0)
        special[part] += ["is with" in TOKENIZER.decode(s.ids) for s in of_step(step)]
    assert (most["first"], most["last"]) == (8, 16)
    shares = {part: sum(found) / len(found) for part, found in special.items()}
    assert shares["first"] < shares["middle"] < shares["last"]
    assert not any("is with" in TOKENIZER.decode(s.ids) for s in of_step(200))


def test_no_sequence_is_longer_than_said() -> None:
    """By its parts: the longest turns as often as they can occur."""

    def tokens(text: str) -> int:
        return len(TOKENIZER(text)["input_ids"])

    def longest_turn(*texts: str) -> int:
        return max(tokens(f"<|im_start|>assistant\n{t}<|im_end|>\n") for t in texts)

    said = [DIALOGUES.statement(n, p) for n in DIALOGUES.names[:5] for p in DIALOGUES.places]
    said += [f"Today {n} is with {n}." for n in DIALOGUES.names]
    asked = [f"Where is the friend of {n} today?" for n in DIALOGUES.names]
    both = f"{said[-1]} {said[0]}"
    bound = 16 * longest_turn(*said) + 3 * longest_turn(*FILLERS)
    bound += 4 * (longest_turn(*asked) + longest_turn(both))
    found = max(len(s.ids) for step in range(300, STEPS, 2) for s in of_step(step))
    assert found <= bound <= LONGEST


def test_copying_alone_and_bad_settings() -> None:
    made = Curriculum(TOKENIZER, DIALOGUES, steps=2, copy_steps=9, batch=2, seed=0)
    assert {kind(made[i]) for i in range(len(made))} == {"copy"}
    with pytest.raises(InvalidInput, match="copy_steps is -1; it must be at least 0"):
        Curriculum(TOKENIZER, DIALOGUES, steps=2, copy_steps=-1, batch=2, seed=0)


def test_plain_dialogues_are_asked_directly() -> None:
    for number in range(50):
        made: Any = DIALOGUES.dialogue(random.Random(number), 4, plain=True)
        assert {q.kind for q in made.questions} == {"single_hop"}
