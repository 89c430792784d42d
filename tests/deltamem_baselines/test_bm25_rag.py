"""BM25 against the formula and another library; units that put together are the history again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from counting_tokenizer import counting, renderings
from hypothesis import given, settings
from hypothesis import strategies as st
from rank_bm25 import BM25Okapi

from deltamem import InvalidInput
from deltamem_baselines.bm25_rag import BM25RAG
from deltamem_baselines.frozen import Frozen
from deltamem_baselines.retrieval.ranking import Ranking
from deltamem_baselines.retrieval.units import UNITS, shown, split_units
from deltamem_evaluations.benchmarks.locomo import Locomo
from deltamem_evaluations.benchmarks.memory_agent_bench.sources import SOURCES
from deltamem_evaluations.benchmarks.memory_agent_bench.templates import OWN
from deltamem_evaluations.sample import Decoding, History, Prompt

CLOSE = 1e-12
"""Float64 sums of a dozen terms in another order."""
SHORT = Decoding(max_new_tokens=2)

WORDS = st.lists(st.sampled_from("abcdef"), max_size=8)
CORPORA = st.lists(WORDS, min_size=1, max_size=8)


def brute_force(documents: Sequence[Sequence[str]], query: Sequence[str]) -> list[float]:
    """The formula, term by term and document by document."""
    mean = sum(map(len, documents)) / len(documents)
    scores = []
    for document in documents:
        score = 0.0
        for term in query:
            holding = sum(term in other for other in documents)
            idf = math.log(1 + (len(documents) - holding + 0.5) / (holding + 0.5))
            frequency = document.count(term)
            if frequency:
                length = 1 - 0.75 + 0.75 * len(document) / mean
                score += idf * frequency * 2.5 / (frequency + 1.5 * length)
        scores.append(score)
    return scores


@given(CORPORA, WORDS)
def test_scores_are_those_of_the_formula(documents: list[list[str]], query: list[str]) -> None:
    index = Ranking()
    index.add(documents)
    np.testing.assert_allclose(index.scores(query), brute_force(documents, query), atol=CLOSE)


@given(CORPORA.filter(any), WORDS)
def test_okapi_floor_is_that_of_rank_bm25(documents: list[list[str]], query: list[str]) -> None:
    index = Ranking(idf="okapi_floor")
    index.add(documents)
    np.testing.assert_allclose(
        index.scores(query), BM25Okapi(documents).get_scores(query), atol=CLOSE
    )


@given(CORPORA, CORPORA, WORDS)
def test_documents_can_be_added_later(
    first: list[list[str]], second: list[list[str]], query: list[str]
) -> None:
    once, twice = Ranking(), Ranking()
    once.add(first + second)
    twice.add(first)
    twice.scores(query)
    twice.add(second)
    np.testing.assert_array_equal(twice.scores(query), once.scores(query))


@given(CORPORA, WORDS, st.randoms())
def test_order_does_not_matter(documents: list[list[str]], query: list[str], rng: Any) -> None:
    order = list(range(len(documents)))
    rng.shuffle(order)
    index, shuffled = Ranking(), Ranking()
    index.add(documents)
    shuffled.add([documents[i] for i in order])
    np.testing.assert_allclose(shuffled.scores(query), index.scores(query)[order], atol=CLOSE)


def test_corner_cases() -> None:
    index = Ranking()
    assert index.scores(["a"]).shape == (0,)
    index.add([[], []])
    assert index.scores(["a"]).tolist() == [0, 0]
    index.add([["a", "a"]])
    assert index.scores([]).tolist() == [0, 0, 0]
    (one, two) = (index.scores(["a"] * times)[2] for times in (1, 2))
    assert two == pytest.approx(2 * one)
    assert one > 0
    alone = Ranking(idf="okapi_floor")
    alone.add([["a"]])
    assert alone.scores(["a"])[0] < 0  # the floor itself is negative, as in rank-bm25
    for k1, b in ((1.5, 2), (0, 0.75)):
        with pytest.raises(InvalidInput, match=f"k1 is {k1} and b is {b}"):
            Ranking(k1=k1, b=b)
    empty = Ranking(b=1)
    empty.add([[], ["a"]])
    assert empty.scores(["a"])[0] == 0
    with pytest.raises(InvalidInput, match="idf is 'bm25'; choose one of lucene, okapi_floor"):
        Ranking(idf="bm25")


TEXT = st.text(alphabet="ab .!?\n\"'。é", max_size=40)
SESSIONS = st.lists(st.tuples(st.sampled_from("12"), TEXT), max_size=6)


def starts(text: str) -> list[int]:
    """Every second character starts a token."""
    return list(range(0, len(text), 2))


@settings(max_examples=200)
@given(SESSIONS, st.sampled_from(UNITS), st.integers(1, 9), st.sampled_from([None, "", "\n"]))
def test_all_units_are_the_history(
    turns: list[tuple[str, str]], kind: str, size: int, join: str | None
) -> None:
    messages = [{"role": "user", "content": text, "session": s} for s, text in turns]
    units = split_units(messages, kind, size=size, token_starts=starts)
    assert shown(messages, units, join=join) == messages
    if kind == "chunk":
        for unit in units:
            tokens = sum(
                piece.start <= start < piece.end
                for piece in unit.pieces
                for start in starts(messages[piece.message]["content"])
            )
            assert tokens <= size


def test_what_is_left_out_is_marked() -> None:
    text = [
        {"role": "user", "content": "One. Two. Three."},
        {"role": "user", "content": " Four. Five."},
    ]
    one, two, three, four, five = split_units(
        text, "chunk", size=1, token_starts=lambda t: [i for i, c in enumerate(t) if c.isupper()]
    )

    def contents(*units: Any, join: str | None) -> list[str]:
        return [message["content"] for message in shown(text, units, join=join)]

    assert contents(one, three, join=None) == ["One.\n[...]\nThree."]
    assert contents(two, three, four, join="") == ["Two. Three.", "Four.\n[...]\n"]
    assert contents(three, five, join="") == ["Three.\n[...]\n", "Five."]
    assert contents(three, five, join="\n") == ["Three.", "Five."]
    assert contents(five, one, join="\n") == ["Five.", "One."]


def test_a_session_begins_with_its_preamble() -> None:
    dates = {"1": "MAY 1\n", "2": "MAY 2\n"}
    talk = [
        {
            "role": "user",
            "content": ("" if i % 2 else dates[s]) + f"Ada: {i}",
            "speaker": "Ada",
            "session": s,
            "preamble": dates[s],
        }
        for i, s in enumerate("1122")
    ]
    units = split_units(talk, "message", size=1, token_starts=starts)

    def contents(*numbers: int) -> list[str]:
        return [m["content"] for m in shown(talk, [units[i] for i in numbers], join="\n")]

    assert contents(0, 1, 3) == ["MAY 1\nAda: 0", "Ada: 1", "MAY 2\nAda: 3"]
    assert contents(1, 2, 3) == ["MAY 1\nAda: 1", "MAY 2\nAda: 2", "Ada: 3"]
    assert contents(3, 1, 2) == ["MAY 2\nAda: 3", "MAY 1\nAda: 1", "MAY 2\nAda: 2"]


SYSTEM = {"role": "system", "content": "Be brief."}
PASSAGES = [
    {"role": "user", "content": f"Passage {i} - {name}:\n{name} is in {place}.", "title": name}
    for i, (name, place) in enumerate(
        zip(
            ("Ada", "Ben", "Eva", "Hugo", "Olga", "Gus"),
            "Oslo Rome Bern Kiel Lima Doha".split(),
            strict=True,
        )
    )
]
TURNS = [
    {"role": "user", "content": f'{"AB"[i % 2]} said, "It is {i}."', "speaker": "AB"[i % 2]}
    for i in range(24)
]
LONG = [{"role": "user", "content": " ".join(f"Today word{i} is {i * i}." for i in range(400))}]


def method(tiny: Any, messages: Sequence[Any], *, join: str | None = "\n", **own: Any) -> BM25RAG:
    made = BM25RAG(tiny, **own)
    (report,) = made.write([History(messages=(SYSTEM, *messages), join=join)])
    assert report.shown_tokens == 0
    assert report.cut_side is None
    counts = [len(tiny.tokenizer(m["content"]).input_ids) for m in messages]
    assert report.written_tokens == sum(counts)
    return made


def prompt_text(made: BM25RAG, question: str, *, new_tokens: int = 2) -> str:
    prompt = Prompt(question=question, history=0, seed=0)
    ids, _, _ = made.fit(prompt, Decoding(max_new_tokens=new_tokens))
    return made.backbone.tokenizer.decode(ids)


@pytest.mark.parametrize(
    ("messages", "word", "units"),
    [(PASSAGES, "Passage", 4), (TURNS, "said", 10)],
    ids=["passages", "turns"],
)
def test_passages_and_turns_are_shown_whole(
    tiny: Any, messages: Any, word: str, units: int
) -> None:
    text = prompt_text(method(tiny, messages), "What is it? It is 7.")
    assert text.startswith("<|im_start|>system\nBe brief.")
    assert text.count(word) == units


def test_other_text_is_shown_in_ten_chunks(tiny: Any) -> None:
    window = replace(tiny, window=10_000)
    made = method(window, LONG)
    ids, units, _ = made.fit(Prompt(question="Is word399 in word1?", history=0, seed=0), SHORT)
    everything = len(tiny.tokenizer(LONG[0]["content"]).input_ids)
    assert units == 10
    assert 9 * 512 < len(ids) < 10 * 512 + 100 < everything
    assert "[...]" in tiny.tokenizer.decode(ids)


def test_a_planted_word_is_found_first(tiny: Any) -> None:
    made = method(
        tiny, [*TURNS[:13], {**TURNS[0], "content": "The zebra is out."}, *TURNS[13:]], k=1
    )
    text = prompt_text(made, "Where is the Zebra?")
    assert "The zebra is out." in text
    assert "said" not in text


def test_order_in_the_prompt(tiny: Any) -> None:
    question = "Tell of Gus, Gus, and of Ada."
    for order, first, second in (("original", "Ada", "Gus"), ("rank", "Gus", "Ada")):
        text = prompt_text(method(tiny, PASSAGES, k=2, order=order), question)
        assert 0 < text.index(f"- {first}") < text.index(f"- {second}")


def test_units_without_a_word_of_the_question_can_stay_out(tiny: Any) -> None:
    text = prompt_text(method(tiny, PASSAGES, drop_unmatched=True), "Tell of Hugo.")
    assert text.count("Passage") == 1
    assert prompt_text(method(tiny, PASSAGES), "Tell of Hugo.").count("Passage") == 4


def test_the_other_tokeniser_keeps_case_and_signs(tiny: Any) -> None:
    plain = method(tiny, PASSAGES, k=1)
    spaced = method(tiny, PASSAGES, k=1, tokeniser="whitespace")
    assert "- Eva" in prompt_text(plain, "bern?")
    assert "- Eva" not in prompt_text(spaced, "bern?")
    assert "- Eva" in prompt_text(spaced, "Bern.")


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("messages", [PASSAGES, TURNS, LONG], ids=["passages", "turns", "text"])
def test_everything_in_order_is_the_prompt_of_the_base_arm(
    tiny: Any, unit: str, messages: Any
) -> None:
    window = replace(tiny, window=10_000)
    for join in ("\n", "", None):
        made = method(window, messages, join=join, unit=unit, k=1000, chunk_tokens=20)
        ids, _, dropped = made.fit(Prompt(question="Where?", history=0, seed=0), SHORT)
        frozen = [SYSTEM, *messages, {"role": "user", "content": "Where?"}]
        assert ids == window.render(frozen, join=join, add_generation_prompt=True).ids
        assert dropped == 0


def test_what_does_not_fit_goes_from_the_end_of_the_ranking(tiny: Any) -> None:
    question = Prompt(question="Tell of Gus, Gus and Ada.", history=0, seed=0)
    whole = method(tiny, PASSAGES, k=6)
    (answer,) = whole.answer([question], SHORT)
    assert (answer.recalled_units, answer.dropped_units) == (6, 0)
    small = method(replace(tiny, window=answer.prompt_tokens - 30), PASSAGES, k=6)
    (less,) = small.answer([question], SHORT)
    assert less.prompt_tokens + SHORT.max_new_tokens <= small.backbone.window
    assert less.dropped_units == 6 - less.recalled_units > 0
    text = prompt_text(small, question.question)
    assert "- Gus" in text
    assert "- Ada" in text
    none = method(replace(tiny, window=10), PASSAGES)
    (bare,) = none.answer([question], SHORT)
    assert (bare.recalled_units, bare.dropped_units) == (0, 4)
    frozen = Frozen(tiny, context="none")
    frozen.write([History(messages=(SYSTEM, *PASSAGES))])
    assert frozen.answer([question], SHORT)[0].prompt_tokens == bare.prompt_tokens


def test_what_is_stored_is_counted_from_one_rendering(tiny: Any) -> None:
    talk = [{"role": "user", "content": f"Ada said {word}."} for word in ("yes", "no")]
    backbone, once = counting(tiny, talk)
    (whole,) = BM25RAG(backbone).write([History(messages=tuple(talk))])
    assert renderings(backbone) == once
    assert whole.read_tokens == whole.original_tokens == len(tiny.render_history(talk).ids)
    made = BM25RAG(tiny)
    (first,) = made.write([History(messages=tuple(talk[:1]))])
    resumed = BM25RAG(tiny)
    resumed.load_state_dict(made.state_dict())
    for one in (made, resumed):
        (second,) = one.write([History(messages=tuple(talk[1:]))])
        assert first.read_tokens + second.read_tokens == whole.read_tokens


def test_settings_that_do_not_exist(tiny: Any) -> None:
    assert BM25RAG(tiny, context="auto").describe() == BM25RAG(tiny).describe()
    for wrong, message in (
        ({"context": "visible"}, "context is 'visible', but a textual memory chooses"),
        ({"context": "none"}, "leave context at auto"),
        ({"unit": "word"}, "unit is 'word'; choose one of auto, message"),
        ({"order": "best"}, "order is 'best'; choose one of original, rank"),
        ({"tokeniser": "bpe"}, "tokeniser is 'bpe'"),
        ({"k": 0}, "k is 0"),
        ({"k1": -1.0}, "k1 is -1"),
    ):
        with pytest.raises(InvalidInput, match=message):
            BM25RAG(tiny, **wrong)


@pytest.mark.parametrize(
    "source",
    ["icl_trec_coarse_6600shot_balance", "eventqa_65536", "recsys_redial_full", "detective_qa"],
)
def test_directions_are_not_looked_up(tiny: Any, source: str) -> None:
    """What shares words with the directions alone is never recalled for them."""
    wording = OWN[SOURCES[source].family.name]
    texts = ["Zebras sleep standing.", wording.question("Oslo"), "Nothing of the kind."]
    history = [{"role": "user", "content": text} for text in texts]
    made = method(tiny, history, k=1, unit="message")
    prompt = Prompt(
        question=wording.question("Where do zebras sleep?"),
        asked="Where do zebras sleep?",
        history=0,
        seed=0,
    )
    text = tiny.tokenizer.decode(made.fit(prompt, SHORT)[0])
    assert "Zebras sleep standing." in text
    assert text.count(wording.ask[0].strip()[:40]) == 1
    assert made.fit(replace(prompt, asked=None), SHORT)[0] != made.fit(prompt, SHORT)[0]


EVIDENCE_FOUND = 0.5
"""Share of the evidence turns of single-hop questions among ten of some 420 turns, at the least;
at random it would be about 0.02."""


def test_evidence_of_real_questions_is_found(tiny: Any, locomo_file: Path) -> None:
    bench = Locomo(path=str(locomo_file), categories=(4,))
    bench.load()
    first = bench.samples()[0].history_id
    made = BM25RAG(tiny)
    made.write([bench.history(first)])
    found, wanted = 0, 0
    for sample in bench.samples():
        if sample.history_id == first:
            recalled = made.recall(0, sample.asked)
            turns = {message["dia_id"] for message in recalled.show(recalled.count)}
            assert len(turns) == recalled.count == 10
            found += sum(evidence in turns for evidence in sample.evidence)
            wanted += len(sample.evidence)
    assert found / wanted > EVIDENCE_FOUND
