"""MemoryAgentBench: files of the released form for every source, wording, cuts and scores."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from summary_prompts import checkout

from deltamem.backbone.contexts.truncation import fit_messages
from deltamem_base.faults import InvalidData, InvalidInput, Unavailable
from deltamem_baselines.frozen import Frozen
from deltamem_evaluations.benchmark import Scored
from deltamem_evaluations.benchmarks.memory_agent_bench import MemoryAgentBench
from deltamem_evaluations.benchmarks.memory_agent_bench.families import SPLITS
from deltamem_evaluations.benchmarks.memory_agent_bench.memory_agent_bench import AFTER_TEXT
from deltamem_evaluations.benchmarks.memory_agent_bench.sources import SOURCES
from deltamem_evaluations.benchmarks.memory_agent_bench.templates import (
    CHUNK_CHARS,
    OWN,
    TIME_STAMP,
    UNIFIED,
    split_context,
)
from deltamem_evaluations.metrics.mab import SCORERS
from deltamem_evaluations.records.store import SampleStore
from deltamem_evaluations.runner import Plan, run

TEXT = pa.string()
TEXTS = pa.list_(TEXT)
TURN = pa.struct({"content": TEXT, "has_answer": pa.bool_(), "role": TEXT})
METADATA = pa.struct(
    {
        "demo": TEXT,
        "haystack_sessions": pa.list_(pa.list_(pa.list_(TURN))),
        "keypoints": TEXTS,
        "previous_events": TEXTS,
        "qa_pair_ids": TEXTS,
        "question_dates": TEXTS,
        "question_ids": TEXTS,
        "question_types": TEXTS,
        "source": TEXT,
    }
)
SCHEMA = pa.schema(
    {"context": TEXT, "questions": TEXTS, "answers": pa.list_(TEXTS), "metadata": METADATA}
)
"""Of the released parquet files."""

FILMS = {
    "<http://dbpedia.org/resource/Heat_(1995_film)>": 11,
    "<http://dbpedia.org/resource/Seven_(film)>": 12,
    "Amélie (2001)": 13,
}

ROWS: list[dict[str, Any]] = [
    {
        "source": "ruler_qa1_197K",
        "context": "Document 1:\nNormandy is in France. Document 2:\nRollo’s men — 10th century.",
        "questions": ["Where is Normandy?", "When did they come?"],
        "answers": [["France", "France"], ["10th century", "in the 10th century"]],
        "metadata": {"qa_pair_ids": ["q0", "q1"], "keypoints": []},
    },
    {
        "source": "eventqa_65536",
        "context": "Ann woke. Then she made tea. Then she left for the sea.",
        "questions": ["So far: 1. Ann woke.\nOptions: Ann slept. | Ann made tea. What follows?"],
        "answers": [["Ann made tea."]],
        "metadata": {"previous_events": ["1. Ann woke."]},
    },
    {
        "source": "longmemeval_s*",
        "context": "[{'role': 'user', 'content': 'I moved to Łódź in May.'}]",
        "questions": ["Current date: 2023. Where does the user live?"],
        "answers": [["Łódź"]],
        "metadata": {
            "haystack_sessions": [
                [[{"content": "I moved to Łódź in May.", "has_answer": True, "role": "user"}]]
            ],
            "question_types": ["single-session-user"],
            "question_ids": ["l0"],
        },
    },
    {
        "source": "icl_trec_coarse_6600shot_balance",
        "context": "Who wrote it?\nlabel: 17\n\nHow many?\nlabel: 3\n\nWhere?\nlabel: 5\n",
        "questions": ["How much is it?", "Who sang it?"],
        "answers": [["3"], ["17"]],
    },
    {
        "source": "recsys_redial_full",
        "context": "Dialogue 1: User: I like thrillers. System: Heat is one.",
        "questions": ["User: Something dark?\nSystem:"],
        "answers": [["11", "12"]],
    },
    {
        "source": "infbench_sum_eng_shots2",
        "context": "A long novel. It ends well.",
        "questions": ["Write a summary of 1000 words. Example: ..."],
        "answers": [["A novel that ends well."]],
        "metadata": {"keypoints": ["ends well"], "demo": "Example"},
    },
    {
        "source": "detective_qa",
        "context": "[1] The butler was away. [2] The cook was not.",
        "questions": [
            "Who? A. Butler B. Cook. As JSON with 'answer'.",
            "Was he away? A. Yes B. No",
        ],
        "answers": [["B. Cook"], ["A. Yes"]],
    },
    {
        "source": "factconsolidation_sh_6k",
        "context": "Here is a list of facts: 0. Nadia is 17 years old. 1. Nadia is 7 years old.",
        "questions": ["How old is Nadia?"],
        "answers": [["7"]],
    },
]
"""One row of every family."""

OFFICIAL = """
raise SystemExit("the file was run")
import nothing_that_exists
SYSTEM_MESSAGE = "You memorise."
BASE_TEMPLATES = {
    FAMILIES
}
AGENTS = {"rag": "rag_agent"}

def get_template(name):
    return BASE_TEMPLATES[name]
"""
QUERY = '"Say it as \\"label: {{label}}\\".\\n\\n{question}\\n\\n It is:"'


def parquet(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Rows as the release has them: all metadata there, and null where a source has none."""
    empty = dict.fromkeys(METADATA.names)
    full = [
        {
            "context": row["context"],
            "questions": row["questions"],
            "answers": row["answers"],
            "metadata": {**empty, **row.get("metadata", {}), "source": row["source"]},
        }
        for row in rows
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(full, schema=SCHEMA), path)


def release(folder: Path, rows: Sequence[Mapping[str, Any]] = ROWS) -> Path:
    """A folder like the hub's repository: a file per split in data, and the films beside."""
    for split in SPLITS:
        members = [row for row in rows if SOURCES[row["source"]].family.split == split]
        if members:
            parquet(members, folder / "data" / f"{split}-00000-of-00001.parquet")
    (folder / "entity2id.json").write_text(json.dumps(FILMS), encoding="utf-8")
    return folder


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., MemoryAgentBench]:
    def make(*rows: Mapping[str, Any], **settings: Any) -> MemoryAgentBench:
        folder = release(tmp_path / f"made{len(list(tmp_path.iterdir()))}", rows or ROWS)
        benchmark = MemoryAgentBench(path=str(folder), **settings)
        benchmark.load()
        return benchmark

    return make


def row_of(source: str, **changes: Any) -> dict[str, Any]:
    return {**next(row for row in ROWS if row["source"] == source), **changes}


def in_json(tmp_path: Path, *rows: Any) -> MemoryAgentBench:
    path = tmp_path / "Conflict_Resolution.json"
    path.write_text(json.dumps(list(rows)), encoding="utf-8")
    return MemoryAgentBench(path=str(path))


def facts(**changes: Any) -> dict[str, Any]:
    row = row_of("factconsolidation_sh_6k")
    return {**row, "metadata": {"source": row["source"]}, **changes}


def text_of(benchmark: MemoryAgentBench, history_id: str) -> str:
    return "".join(
        m["content"] for m in benchmark.history(history_id).messages if m["role"] == "user"
    )


def test_the_table_has_the_size_of_the_release() -> None:
    assert sum(source.rows for source in SOURCES.values()) == 146
    assert sum(source.questions for source in SOURCES.values()) == 3671
    by_split = dict.fromkeys(SPLITS, (0, 0))
    for source in SOURCES.values():
        rows, questions = by_split[source.family.split]
        by_split[source.family.split] = (rows + source.rows, questions + source.questions)
    assert list(by_split.values()) == [(22, 2000), (6, 700), (110, 171), (8, 800)]
    names = {n for s in SOURCES.values() for n in (*s.family.metrics, *s.family.paper_metrics)}
    assert {n for n in names if not n.startswith("recall@")} <= set(SCORERS)
    assert {source.family.name for source in SOURCES.values()} == set(OWN)


def test_every_kind_of_source(made: Callable[..., MemoryAgentBench]) -> None:
    benchmark = made()
    samples = benchmark.samples()
    assert len(samples) == 11
    assert [s.groups for s in samples[:2]] == [("accurate_retrieval", "ruler_qa1_197K")] * 2
    assert [s.id for s in samples[:2]] == [
        "Accurate_Retrieval/ruler_qa1_197K/0/0",
        "Accurate_Retrieval/ruler_qa1_197K/0/1",
    ]
    assert samples[0].references == ("France",)
    assert samples[1].qa_pair_id == "q1"
    assert samples[0].question_type is None
    assert len({s.history_id for s in samples}) == len(ROWS)
    films = next(s for s in samples if s.groups[1] == "recsys_redial_full")
    assert films.references == ("Heat", "Seven")
    tokens = {s.groups[1]: benchmark.decoding(s).max_new_tokens for s in samples}
    assert tokens == {
        "ruler_qa1_197K": 50,
        "eventqa_65536": 40,
        "longmemeval_s*": 50,
        "icl_trec_coarse_6600shot_balance": 20,
        "recsys_redial_full": 300,
        "infbench_sum_eng_shots2": 1200,
        "detective_qa": 2000,
        "factconsolidation_sh_6k": 10,
    }
    assert {benchmark.decoding(s).temperature for s in samples} == {0.0}


def test_sizes_and_missing_judges_are_marked(made: Callable[..., MemoryAgentBench]) -> None:
    deviations = made().data().deviations
    assert "ruler_qa1_197K has 1 rows and 2 questions instead of 1 and 100" in deviations
    absent = deviations[0].removeprefix("not in the data: ").split(", ")
    assert sorted([*absent, *(row["source"] for row in ROWS)]) == sorted(SOURCES)
    assert deviations[-1] == (
        "longmemeval_s*, infbench_sum_eng_shots2: scored by words in common, not by the "
        "benchmark's judge"
    )
    whole = row_of("factconsolidation_sh_6k", questions=["Q"] * 100, answers=[["A"]] * 100)
    assert made(whole, sources=["factconsolidation_sh_6k"]).data().deviations == ()


def test_rows_of_one_source_are_counted(made: Callable[..., MemoryAgentBench]) -> None:
    row = row_of("eventqa_65536")
    benchmark = made(row, {**row, "context": "Another book."})
    assert [s.history_id for s in benchmark.samples()] == [
        "Accurate_Retrieval/eventqa_65536/0",
        "Accurate_Retrieval/eventqa_65536/1",
    ]
    assert text_of(benchmark, "Accurate_Retrieval/eventqa_65536/1").startswith("Another")


@given(
    st.lists(st.sampled_from(["Wort ", "Ä. ", "x", "\n\n", "  ", "?! ", "。", "“So.” ", "\r\n"])),
    st.integers(1, 12),
)
def test_pieces_are_the_text(parts: list[str], size: int) -> None:
    text = "".join(parts)
    pieces = list(split_context(text, max_chars=size))
    assert "".join(pieces) == text
    assert max(map(len, pieces)) <= size
    assert all(pieces) or pieces == [""]


def test_pieces_end_with_sentences() -> None:
    text = "One is here. Two is (there.) Three?\nFour has no end and is long"
    assert list(split_context(text, max_chars=30)) == [
        "One is here. Two is (there.)",
        " Three?",
        "\nFour has no end and is long",
    ]
    assert list(split_context("one two three", max_chars=9)) == ["one two", " three"]
    assert list(split_context("onetwothree", max_chars=4)) == ["onet", "woth", "ree"]


def test_a_long_text_is_many_messages(made: Callable[..., MemoryAgentBench]) -> None:
    context = "".join(f"{i}. Fact {i} is über all. " for i in range(4000))
    benchmark = made(row_of("factconsolidation_sh_6k", context=context))
    history = benchmark.history(benchmark.samples()[0].history_id)
    system, *pieces = history.messages
    assert system["role"] == "system"
    assert len(pieces) == -(-len(context) // CHUNK_CHARS)
    assert text_of(benchmark, benchmark.samples()[0].history_id) == context + AFTER_TEXT
    assert all(p["content"].rstrip().endswith((".", "all")) for p in pieces)
    assert history.join == ""
    assert (history.cut.side, history.cut.max_chars) == ("start", None)


LISTING_OPTIONS = ("eventqa", "detective_qa")
"""Families whose questions list options, the reference among them."""


def test_no_reference_outside_the_text(made: Callable[..., MemoryAgentBench]) -> None:
    """Where a question lists options, one of them is right; nothing else gives it away."""
    for protocol in ("benchmark", "paper"):
        for sample in made(protocol=protocol).samples():
            source = SOURCES[sample.source]
            added = sample.question.replace(sample.asked, "")
            assert len(added) < len(sample.question)
            for reference in sample.references:
                assert reference not in added
                lists_it = source.family.name in LISTING_OPTIONS
                assert lists_it or reference not in sample.question


def test_label_questions_never_hold_a_label(made: Callable[..., MemoryAgentBench]) -> None:
    """The authors' prompts for these sources hold the right label; ours have no number at all."""
    for protocol in ("benchmark", "paper"):
        benchmark = made(protocol=protocol, sources=["icl_*"])
        assert len(benchmark.samples()) == 2
        for sample in benchmark.samples():
            assert not re.search(r"\d", sample.question)
            history = benchmark.history(sample.history_id)
            instructions = [m["content"] for m in history.messages if m["role"] == "system"]
            assert not re.search(r"\d", "".join(instructions))


FILM_SCORES = {
    "score": 0.5,
    **{f"recall@5{how}": 0.5 for how in ("", "_by_titles")},
    **{f"recall@1{how}": 0.0 for how in ("", "_by_titles")},
    **{f"recall@10{how}": 0.5 for how in ("", "_by_titles")},
}
"""Heat is second, in either reading."""


@pytest.mark.parametrize(
    ("source", "answer", "benchmark_scores", "paper_scores"),
    [
        (
            "factconsolidation_sh_6k",
            "17",
            {"score": 1.0, "substring_em": 1.0, "substring_em_by_words": 0.0},
            {"score": 1.0, "accuracy": 1.0, "accuracy_by_words": 0.0},
        ),
        (
            "factconsolidation_sh_6k",
            "She is 7.",
            {"score": 1.0, "substring_em": 1.0, "substring_em_by_words": 1.0},
            {"score": 1.0, "accuracy": 1.0, "accuracy_by_words": 1.0},
        ),
        (
            "ruler_qa1_197K",
            "In the country of france, I think",
            {"score": 1.0, "substring_em": 1.0, "substring_em_by_words": 1.0},
            {"score": 1.0, "accuracy": 1.0, "accuracy_by_words": 1.0},
        ),
        (
            "eventqa_65536",
            "Ann slept.\nOr: Ann made tea.",
            {
                "score": 0.0,
                "line_substring_em": 0.0,
                "eventqa_recall": 1.0,
                "line_substring_em_by_words": 0.0,
            },
            {"score": 1.0, "accuracy": 1.0, "accuracy_by_words": 1.0},
        ),
        (
            "longmemeval_s*",
            "in Łódź",
            {"score": 1.0, "unjudged_substring_em": 1.0, "unjudged_substring_em_by_words": 1.0},
            {"score": 1.0, "unjudged_accuracy": 1.0, "unjudged_accuracy_by_words": 1.0},
        ),
        (
            "icl_trec_coarse_6600shot_balance",
            "label: 3",
            {"score": 0.0, "line_exact_match": 0.0, "label_exact_match": 1.0},
            {"score": 1.0, "accuracy": 1.0, "accuracy_by_words": 1.0},
        ),
        (
            "icl_trec_coarse_6600shot_balance",
            "3",
            {"score": 1.0, "line_exact_match": 1.0, "label_exact_match": 1.0},
            {"score": 1.0, "accuracy": 1.0, "accuracy_by_words": 1.0},
        ),
        (
            "icl_trec_coarse_6600shot_balance",
            "3 or 17",
            {"score": 0.0, "line_exact_match": 0.0, "label_exact_match": 0.0},
            {"score": 1.0, "accuracy": 1.0, "accuracy_by_words": 1.0},
        ),
        (
            "detective_qa",
            '{"answer": "B. Cook", "reasoning": "not away"}',
            {"score": 0.0, "exact_match": 0.0, "json_exact_match": 1.0},
            {"score": 1.0, "accuracy": 1.0, "accuracy_by_words": 1.0},
        ),
        (
            "recsys_redial_full",
            "1. Amelie\n2. Haet (1995)",
            FILM_SCORES,
            FILM_SCORES,
        ),
        (
            "infbench_sum_eng_shots2",
            "The novel ends well",
            {"score": 6 / 7, "unjudged_f1": 6 / 7, "rougeL_f1": 2 / 3, "rougeLsum_f1": 2 / 3},
            {"score": 6 / 7, "unjudged_paper_f1": 6 / 7},
        ),
    ],
)
def test_scores_by_hand(
    source: str,
    answer: str,
    benchmark_scores: dict[str, float],
    paper_scores: dict[str, float],
    made: Callable[..., MemoryAgentBench],
) -> None:
    """The summary: novel, ends, well of {novel, that, ends, well}: p 1, r 3/4.

    ROUGE-L: "novel ends well" of 4 and 5 words: p 3/4, r 3/5.
    """
    for protocol, scores in (("benchmark", benchmark_scores), ("paper", paper_scores)):
        benchmark = made(protocol=protocol)
        sample = next(s for s in benchmark.samples() if s.source == source)
        assert benchmark.score(sample, answer) == pytest.approx(scores)


WRONG = "Amélie"
"""Nowhere right; with no answer the benchmark takes the film of the shortest title."""


def test_perfect_answers_score_one(made: Callable[..., MemoryAgentBench]) -> None:
    for protocol in ("benchmark", "paper"):
        benchmark = made(protocol=protocol)
        for sample in benchmark.samples():
            listed = "\n".join(f"{n}. {t}" for n, t in enumerate(sample.references, 1))
            by_title = SOURCES[sample.source].family.by_title
            perfect = listed if by_title else sample.references[0]
            assert benchmark.score(sample, perfect)["score"] == 1.0
            assert benchmark.score(sample, WRONG)["score"] == 0.0


def test_both_averages(made: Callable[..., MemoryAgentBench]) -> None:
    """Right: both of two documents, and nothing of the nine others; retrieval has 2 of 4."""
    benchmark = made()
    scored = [
        Scored(sample=s, scores=benchmark.score(s, s.references[0] if i < 2 else WRONG))
        for i, s in enumerate(benchmark.samples())
    ]
    metrics = benchmark.metrics(scored)
    assert metrics["score"].mean == pytest.approx(2 / 11)
    assert metrics["score_by_competency"].mean == pytest.approx((2 / 4) / 4)
    assert metrics["score_by_competency"].clusters == len(ROWS)
    low, high = metrics["score_by_competency"].ci95
    assert low < (2 / 4) / 4 < high
    assert set(metrics["score"].groups) == {
        *(split.lower() for split in SPLITS),
        *(row["source"] for row in ROWS),
    }
    assert metrics["substring_em"].n == 3
    assert metrics["unjudged_f1"].n == 1


def test_protocols(made: Callable[..., MemoryAgentBench]) -> None:
    benchmark, paper = made(), made(protocol="paper")
    sample = paper.samples()[0]
    history = paper.history(sample.history_id)
    assert {m["role"] for m in history.messages} == {"user"}
    assert (history.cut.side, history.cut.max_chars) == ("middle", 120_000)
    assert sample.question == UNIFIED.question("Where is Normandy?")
    assert benchmark.samples()[0].question == OWN["ruler_qa"].question("Where is Normandy?")
    prints = [
        benchmark.fingerprint(),
        paper.fingerprint(),
        made(sources=["icl_*"]).fingerprint(),
    ]
    assert len(set(prints)) == 3
    assert made().fingerprint() == benchmark.fingerprint()
    with pytest.raises(InvalidInput, match="bench.protocol is 'mine'"):
        MemoryAgentBench(protocol="mine")


def test_the_papers_cut_keeps_a_third_at_the_start(made: Callable[..., MemoryAgentBench]) -> None:
    context = "".join(f"{i}. Fact {i} is so. " for i in range(20_000))
    benchmark = made(row_of("factconsolidation_sh_6k", context=context), protocol="paper")
    history = benchmark.history(benchmark.samples()[0].history_id)
    kept = fit_messages(history.messages, cut=history.cut, budget=10**9, count=len)
    numbers = [history.messages.index(message) for message in kept]
    assert numbers == [0, 1, *range(numbers[2], len(history.messages))]
    sizes = [len(message["content"]) for message in history.messages]
    held = sum(sizes[number] for number in numbers)
    assert held <= 120_000 < held + sizes[numbers[2] - 1]


def test_selection(made: Callable[..., MemoryAgentBench]) -> None:
    chosen = made(sources=["icl_*", "longmemeval_s*", "detective_qa"])
    assert {s.source for s in chosen.samples()} == {
        "longmemeval_s*",
        "icl_trec_coarse_6600shot_balance",
        "detective_qa",
    }
    with pytest.raises(InvalidInput, match=r"'rule_\*', which names no source; choose among ruler"):
        MemoryAgentBench(sources=["icl_*", "rule_*"])
    for nothing in ([], "icl_*"):
        with pytest.raises(InvalidInput, match="give a list of sources, or null for all"):
            MemoryAgentBench(sources=nothing)
    with pytest.raises(InvalidData, match="the data holds no question of detective_qa"):
        made(ROWS[0], sources=["detective_qa"])


def test_films_are_needed_only_where_they_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DELTAMEM_DATA", str(tmp_path / "data"))
    folder = release(tmp_path / "hub")
    films = (folder / "entity2id.json").rename(tmp_path / "films.json")
    with pytest.raises(Unavailable, match="recsys_redial_full is scored by film titles") as e:
        MemoryAgentBench(path=str(folder)).load()
    assert e.value.exit_code == 4
    assert "bench.entities=FILE" in str(e.value)
    MemoryAgentBench(path=str(folder), sources=["icl_*"]).load()
    MemoryAgentBench(path=str(folder), entities=str(films)).load()
    with pytest.raises(Unavailable, match="there is no nowhere.json"):
        MemoryAgentBench(path=str(folder), entities="nowhere.json").load()
    films.write_text('{"Heat": "11"}')
    with pytest.raises(InvalidData, match="does not map the names of films"):
        MemoryAgentBench(path=str(folder), entities=str(films)).load()
    films.write_text('{"Heat": 11}')
    with pytest.raises(
        InvalidData, match="row 2, question 1: the answer '12' is not among the ids"
    ):
        MemoryAgentBench(path=str(folder), entities=str(films)).load()


def test_films_lie_beside_the_rows(tmp_path: Path) -> None:
    folder = release(tmp_path / "hub")
    for path, questions in (
        (folder, 11),
        (folder / "data", 11),
        (folder / "data" / "Test_Time_Learning-00000-of-00001.parquet", 3),
    ):
        benchmark = MemoryAgentBench(path=str(path))
        benchmark.load()
        assert len(benchmark.samples()) == questions


def test_what_was_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DELTAMEM_DATA", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    benchmark = MemoryAgentBench()
    assert [source.id for source in benchmark.sources()] == ["ai-hyz/MemoryAgentBench"]
    folder = release(tmp_path / benchmark.source.folder_name)
    with pytest.raises(Unavailable, match="MemoryAgentBench is not on this machine"):
        benchmark.load()
    (folder / "manifest.json").write_text('{"revision": "abc"}')
    benchmark.load()
    assert benchmark.data().revision == "abc"
    assert benchmark.data().sha256
    assert len(benchmark.samples()) == 11


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ("text", "row 1 holds text, not a row"),
        (facts(metadata=None), "row 1: 'metadata' is null; an object is expected"),
        (facts(metadata={"source": None}), "row 1: 'metadata.source' is null; text is expected"),
        (facts(metadata={"source": "ruler_niah"}), "row 1: the source 'ruler_niah' does not exist"),
        (
            facts(metadata={"source": "detective_qa"}),
            "detective_qa belongs to Long_Range_Understanding and not to the split 'Conflict_Reso",
        ),
        (facts(split="Other"), "not to the split 'Other'"),
        (facts(context=3), r"row 1: 'context' is a number \(3\); text is expected"),
        (facts(context=" \n"), "row 1: 'context' is blank"),
        (facts(questions="Q"), "row 1: 'questions' is text"),
        (facts(questions=["Q", "R"]), "row 1: there are 2 questions and 1 answers"),
        (facts(questions=[5]), r"row 1: 'questions\[0\]' is a number"),
        (facts(answers=[[]]), r"row 1: 'answers\[0\]' is an empty list: there is no answer"),
        (facts(answers=[[None]]), r"row 1: 'answers\[0\]\[0\]' is null; text or a number"),
        (facts(answers=[[["7"]]]), r"row 1: 'answers\[0\]\[0\]' is a list; text or a number"),
    ],
    ids=lambda value: str(value)[-40:],
)
def test_rows_of_the_wrong_shape(row: Any, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match=sentence):
        in_json(tmp_path, row).load()


def test_numbers_and_bare_answers(tmp_path: Path) -> None:
    benchmark = in_json(
        tmp_path,
        facts(questions=["A", "B", "C"], answers=[[7, 7.5], "seven", 7]),
        facts(questions=[], answers=[]),
    )
    benchmark.load()
    assert [s.references for s in benchmark.samples()] == [("7", "7.5"), ("seven",), ("7",)]


def official(tmp_path: Path, *, query: str = QUERY, leave_out: str = "") -> Path:
    """A checkout whose file of templates has the benchmark's form; the texts are made up."""
    families = ",\n    ".join(
        f"'{name}': {{'system': SYSTEM_MESSAGE, "
        f"'memorize': 'At {{time_stamp}} \\\\n<{name}> {{context}} <end>', "
        f"'query': {{'rag_agent': 'no', 'long_context_agent': {query}}}}}"
        for name in OWN
        if name != leave_out
    )
    path = tmp_path / "checkout" / "utils" / "templates.py"
    path.parent.mkdir(parents=True)
    path.write_text(OFFICIAL.replace("FAMILIES", families), encoding="utf-8")
    return path.parent.parent


def test_the_benchmarks_own_templates(
    tmp_path: Path, made: Callable[..., MemoryAgentBench]
) -> None:
    """Read without being run; the label stays a word in braces."""
    checkout = official(tmp_path)
    benchmark = made(templates=str(checkout))
    sample = next(s for s in benchmark.samples() if s.source.startswith("icl"))
    assert sample.question == 'Say it as "label: {label}".\n\nHow much is it?\n\n It is:'
    history = benchmark.history(sample.history_id)
    assert history.messages[0] == {"role": "system", "content": "You memorise."}
    assert history.messages[1]["content"].startswith(
        f"At {TIME_STAMP} \\n<in_context_learning> Who wrote it?"
    )
    assert history.messages[1]["content"].endswith("label: 5\n <end>")
    assert history.join == "\n"
    assert benchmark.fingerprint() != made().fingerprint()
    with pytest.raises(InvalidInput, match="use bench.templates with bench.protocol=benchmark"):
        MemoryAgentBench(protocol="paper", templates=str(checkout))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"query": '"{question} is {label}"'}, r"ruler_qa, query: \{label\} is not filled"),
        ({"query": '"{question} is {answer}"'}, r"query: \{answer\} is not filled"),
        ({"query": '"no place"'}, r"query: \{question\} occurs 0 times, not once"),
        ({"query": '"{question"'}, "ruler_qa, query: expected '}'"),
        ({"query": "3"}, "ruler_qa, query: there is no text"),
        ({"query": "f'{1}'"}, "has no table BASE_TEMPLATES of plain text"),
        ({"leave_out": "eventqa"}, "BASE_TEMPLATES has no templates for eventqa"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_templates_of_the_wrong_shape(
    settings: dict[str, str], sentence: str, tmp_path: Path
) -> None:
    benchmark = MemoryAgentBench(templates=str(official(tmp_path, **settings)))
    with pytest.raises(InvalidData, match=sentence):
        benchmark.load()


def test_summaries_are_judged_by_key_points(
    tmp_path: Path, made: Callable[..., MemoryAgentBench]
) -> None:
    """With the prompts of a checkout; other sources stay unjudged, and no score changes."""
    prompts = str(checkout(tmp_path))
    benchmark = made(judge_path=prompts)
    asked = {s.source: benchmark.ask_judge(s, "It ends.") for s in benchmark.samples()}
    assert [source for source, inquiry in asked.items() if inquiry] == [
        *("longmemeval_s*", "infbench_sum_eng_shots2"),
    ]
    summaries = asked["infbench_sum_eng_shots2"]
    assert summaries is not None
    assert "\n1. ends well\n<It ends.>" in summaries.questions[1].prompt
    assert benchmark.fingerprint() == made().fingerprint()
    row = row_of("infbench_sum_eng_shots2", metadata={"keypoints": []})
    assert made(row, sources=["infbench*"]).data()
    with pytest.raises(InvalidData, match=r"row 1 has no key points, which bench\.judge_path"):
        made(row, sources=["infbench*"], judge_path=prompts)


def test_templates_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="give a checkout of MemoryAgentBench"):
        MemoryAgentBench(templates=str(tmp_path)).load()
    broken = tmp_path / "templates.py"
    broken.write_text("BASE_TEMPLATES = {")
    with pytest.raises(InvalidData, match="cannot be read as Python"):
        MemoryAgentBench(templates=str(broken)).load()


@pytest.mark.parametrize("protocol", ["benchmark", "paper"])
@pytest.mark.parametrize("context", ["visible", "none"])
def test_from_end_to_end(
    context: str,
    protocol: str,
    made: Callable[..., MemoryAgentBench],
    tiny: Any,
    tmp_path: Path,
) -> None:
    """A text of several pieces is read once, and in view it is the text to the letter."""
    context_text = "".join(f"{i}. Fact {i} is so. " for i in range(60))
    rows = (
        row_of("factconsolidation_sh_6k", context=context_text, questions=["A?", "B?"] * 2)
        | {"answers": [["7"]] * 4},
        row_of("icl_trec_coarse_6600shot_balance"),
    )
    benchmark = made(*rows, protocol=protocol)
    method = Frozen(tiny, context=context)
    with SampleStore(tmp_path / "run", key="k") as store:
        scored = run(benchmark, method, store, plan=Plan(limit=5))
        stored = dict(store.lines)
    assert len(scored) == 5
    assert {row.finish for row in stored.values()} <= {"stop", "length"}
    for row in stored.values():
        assert 0 < row.new_tokens <= row.decoding.max_new_tokens
        assert row.cut_side is None
        assert row.shown_tokens == (row.original_tokens if context == "visible" else 0)
    history = benchmark.history("Conflict_Resolution/factconsolidation_sh_6k/0")
    rendered = tiny.render_history(history.messages, join=history.join)
    assert context_text + AFTER_TEXT in rendered.text
    assert set(benchmark.metrics(scored)) >= {"score", "score_by_competency"}


def test_another_samples_text_can_be_written(
    made: Callable[..., MemoryAgentBench], tiny: Any, tmp_path: Path
) -> None:
    benchmark = made(sources=["factconsolidation*", "icl_*"])
    with SampleStore(tmp_path / "run", key="k") as store:
        run(benchmark, Frozen(tiny), store, plan=Plan(writes="foreign"))
        assert len(store.lines) == 3
