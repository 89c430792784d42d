"""The endless chats that are trained on: easy ones first, names of their own, places at random."""

from __future__ import annotations

from dataclasses import replace

import pytest
from test_facts import (
    LARGEST_CHI_SQUARE,
    PEOPLE,
    answer_by_reading,
    chi_square,
    friends_in,
    statements_of,
    words,
)

from deltamem.training import Ask, Episode, episodes_sha
from deltamem_base.faults import InvalidInput
from deltamem_cli.training_data import FactsData
from deltamem_evaluations.benchmarks.facts import Facts
from deltamem_evaluations.benchmarks.facts.attributes import ATTRIBUTES
from deltamem_evaluations.benchmarks.facts.people import ACKNOWLEDGEMENTS, UNSEEN_NAMES

DATA = FactsData(
    size=1600,
    seed=42,
    max_facts=8,
    easy_shares=(0.25, 0.25),
    easy_facts=(2, 3),
    easy_attributes=(4, 16),
    easy_values=(64, 64),
    other_kinds=0.25,
    questions=2,
    acknowledged=0.125,
    held_out=64,
)
FIRST = "2875ca8b599f223f835c1b36bb03e47471cef4ff4951e5125c2b1c386fb2da27"
"""Digest of the first hundred episodes, as every machine has to make them."""


def episodes(data: FactsData = DATA) -> list[Episode]:
    made = data.load().episodes
    return [made[index] for index in range(len(made))]


def acknowledged(ask: Ask) -> bool:
    return ask.answer in ACKNOWLEDGEMENTS


def shown(ask: Ask) -> str:
    (message,) = ask.visible
    assert message["role"] == "user"
    return message["content"]


def test_the_same_seed_is_the_same_data_on_any_machine() -> None:
    assert episodes_sha(episodes()[:100]) == FIRST
    assert episodes() == episodes()
    other = replace(DATA, seed=43)
    assert not {e.id for e in episodes()} & {e.id for e in episodes(other)}
    assert episodes()[0].written != episodes(other)[0].written


def test_every_question_can_be_answered_by_reading() -> None:
    for episode in [*episodes(), *DATA.load().held_out]:
        asks = [ask for ask in episode.asks if not acknowledged(ask)]
        assert 1 <= len(episode.asks) <= 2
        assert len({shown(ask) for ask in episode.asks}) == len(episode.asks)
        for ask in asks:
            assert answer_by_reading(episode.written, shown(ask)) == ask.answer


def test_a_new_statement_is_answered_by_a_short_acknowledgement() -> None:
    asks = [ask for episode in episodes() for ask in episode.asks]
    late = [ask for episode in episodes()[800:] for ask in episode.asks]
    new = [ask for ask in asks if acknowledged(ask)]
    assert not any(acknowledged(ask) for episode in episodes()[:800] for ask in episode.asks)
    assert abs(len(new) / len(late) - 1 / 8) < 0.03
    for ask in new:
        assert not shown(ask).endswith("?")
        assert len(PEOPLE & set(words(shown(ask)))) == (2 if friends_in(shown(ask)) else 1)
    assert {ask.answer for ask in new} == {"Got it."}
    assert not any(acknowledged(ask) for episode in DATA.load().held_out for ask in episode.asks)


def test_easy_ones_come_first() -> None:
    sizes = [len(statements_of(episode.written)) for episode in episodes()]
    others = [
        any("best friend" in text for text in statements_of(episode.written))
        for episode in episodes()
    ]
    assert set(sizes[:400]) == {1, 2}
    assert set(sizes[400:800]) == {1, 2, 3}
    assert set(sizes[800:]) == set(range(1, 9))
    assert not any(others[:800])
    assert any(others[800:])
    assert all(len(e.written) == 2 * n for e, n in zip(episodes()[:800], sizes, strict=False))
    assert any(len(e.written) > 2 * n for e, n in zip(episodes()[800:], sizes[800:], strict=True))
    asked = {e.asks[0].answer for e in episodes()[:400]}
    assert asked <= {value for attribute in ATTRIBUTES[:4] for value in attribute.values}
    short = episodes(replace(DATA, max_facts=1))
    assert {len(statements_of(episode.written)) for episode in short} == {1}


def test_two_hops_and_updates_are_a_modest_share() -> None:
    late, two_hops = episodes()[800:], 0
    for episode in late:
        said = statements_of(episode.written)
        pairs = [pair for pair in map(friends_in, said) if pair]
        two_hops += bool(pairs)
        if pairs and not any(acknowledged(ask) for ask in episode.asks):
            assert any("best friend" in shown(ask) for ask in episode.asks)
    single = episodes(replace(DATA, other_kinds=0.0))[800:]
    both = sum(one.written != other.written for one, other in zip(late, single, strict=True))
    assert 0.06 < two_hops / len(late) < 0.19
    assert 0.06 < both / len(late) - two_hops / len(late) < 0.19


def test_the_statements_asked_about_stand_anywhere() -> None:
    places, found = 4, []
    for episode in episodes(replace(DATA, size=12800, acknowledged=0.0, other_kinds=0.0)):
        said = statements_of(episode.written)
        if len(said) == places:
            found += [
                number
                for ask in episode.asks
                for number, text in enumerate(said, 1)
                if ask.answer in words(text)
            ]
    assert len(found) > 1000
    assert chi_square(found, places) < LARGEST_CHI_SQUARE[places]


def test_nothing_of_the_test_split_is_trained_on() -> None:
    benchmark = Facts()
    benchmark.load()
    tested = {
        str(benchmark.history(s.history_id).messages) for s in benchmark.samples() if s.facts > 1
    }
    trained = [*episodes(), *DATA.load().held_out]
    assert not {str(e.written) for e in trained} & tested
    said = [m["content"] for e in trained for m in e.written] + [
        shown(a) for e in trained for a in e.asks
    ]
    assert not set(words(" ".join(said))) & set(UNSEEN_NAMES)


def test_held_out_chats_are_not_trained_on() -> None:
    held = DATA.load().held_out
    assert len(held) == 64
    assert not {str(e.written) for e in held} & {str(e.written) for e in episodes()}
    assert len({len(statements_of(e.written)) for e in held}) == 8


def test_each_stage_has_its_share() -> None:
    stages = replace(DATA, easy_shares=(0.1, 0.3), easy_facts=(1, 8))
    sizes = [len(statements_of(episode.written)) for episode in episodes(stages)]
    assert set(sizes[:160]) == {1}
    assert set(sizes[160:640]) == set(range(1, 9))
    none = replace(DATA, easy_shares=(), easy_facts=(), easy_attributes=(), easy_values=())
    assert set(map(len, (statements_of(e.written) for e in episodes(none)[:400]))) == set(
        range(1, 9)
    )


def test_easy_chats_have_few_values_first() -> None:
    few = episodes(replace(DATA, easy_values=(8, 64)))[:800]
    first = {value for attribute in ATTRIBUTES[:4] for value in attribute.values[:8]}
    assert {ask.answer for e in few[:400] for ask in e.asks} == first
    assert len({ask.answer for e in few[400:] for ask in e.asks}) > len(first)


@pytest.mark.parametrize(
    ("stages", "sentence"),
    [
        ({"easy_shares": (0.5,)}, "easy_shares has 1 values, easy_facts 2, easy_attributes 2"),
        ({"easy_values": (8, 64, 64)}, "easy_attributes 2 and easy_values 3: give each"),
        ({"easy_shares": (0.7, 0.4)}, r"easy_shares add up to 1\.1; they may"),
        (
            {"easy_values": (64, 3)},
            "3 facts of one attribute need 4 values, but this stage of .* 3",
        ),
    ],
)
def test_stages_are_told_whole(stages: dict[str, tuple[int, ...]], sentence: str) -> None:
    with pytest.raises(InvalidInput, match=sentence):
        replace(DATA, **stages)  # type: ignore[arg-type]
