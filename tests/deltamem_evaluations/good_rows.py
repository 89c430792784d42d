"""A few good rows of every benchmark that reads files, in the official form and the hub's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from deltamem_evaluations.benchmark import Benchmark
from deltamem_evaluations.benchmarks.gpqa import GPQA
from deltamem_evaluations.benchmarks.hotpotqa import HotpotQA
from deltamem_evaluations.benchmarks.ifeval import IFEval
from deltamem_evaluations.benchmarks.locomo import Locomo
from deltamem_evaluations.benchmarks.longmemeval import LongMemEval
from deltamem_evaluations.benchmarks.memory_agent_bench import MemoryAgentBench
from deltamem_evaluations.benchmarks.squad import Squad

Rows = list[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Case:
    """A benchmark with rows that it reads."""

    make: Callable[..., Benchmark]
    rows: Rows
    hub: Rows
    """The same rows with what a table has: a column for every field, null where it is not set."""
    id: str | None
    """The field of a row's id; None where rows have none."""


def _locomo(number: int) -> dict[str, Any]:
    turn = {"speaker": "Ann", "dia_id": "D1:1", "text": f"Hi, it is the {number}th – “Bo”!"}
    shown = {**turn, "speaker": "Bo", "blip_caption": "a red kite", "img_url": ["x"]}
    talk: dict[str, Any] = {"speaker_a": "Ann", "speaker_b": "Bo"}
    for session in range(1, number + 1):
        talk[f"session_{session}_date_time"] = f"{session} May 2023"
        talk[f"session_{session}"] = [turn, shown]
    talk["session_9_date_time"] = "9 May 2023"
    questions: Rows = [
        {"question": "When?", "answer": 2022, "evidence": [], "category": 2},
        {"question": "What?", "answer": "a red kite", "evidence": ["D1:1"], "category": 4},
        {"question": "Trap?", "adversarial_answer": "blue", "evidence": [], "category": 5},
    ]
    return {
        "sample_id": f"conv-{number}",
        "conversation": talk,
        "qa": questions,
        "summary": {"x": 1},
    }


def _hotpot(number: int) -> dict[str, Any]:
    return {
        "_id": f"5a{number}",
        "question": f"Where was Bo born, {number}?",
        "answer": "Ärö",
        "type": "bridge",
        "level": "hard",
        "supporting_facts": [["Bo", 0], ["Ärö", 1]],
        "context": [["Bo", ["Bo was born on Ärö."]], ["Ärö", ["It is small.", " Really."]]],
    }


def _hotpot_hub(row: dict[str, Any]) -> dict[str, Any]:
    facts, context = row["supporting_facts"], row["context"]
    changed = {
        "id": row["_id"],
        "supporting_facts": {"title": [t for t, _ in facts], "sent_id": [i for _, i in facts]},
        "context": {"title": [t for t, _ in context], "sentences": [s for _, s in context]},
    }
    return {**{key: value for key, value in row.items() if key != "_id"}, **changed}


def _gpqa(number: int) -> dict[str, Any]:
    return {
        "Record ID": f"rec{number}",
        "Question": f"Which μ-metal glows, {number}?",
        "Correct Answer": "Zirconium",
        "Incorrect Answer 1": "2",
        "Incorrect Answer 2": "Xenon {4}",
        "Incorrect Answer 3": "Wolfram",
        "High-level domain": "Physics",
        "Subdomain": "Optics",
    }


def _ifeval(number: int) -> dict[str, Any]:
    return {
        "key": 1000 + number,
        "prompt": " Write about a cat – in five words. ",
        "instruction_id_list": ["punctuation:no_comma", "length_constraints:number_words"],
        "kwargs": [{}, {"relation": "at least", "num_words": 5}],
    }


def _mab(number: int) -> dict[str, Any]:
    return {
        "context": f"Here are facts: 0. Nadia is {number} years old. 1. Łódź is a town.",
        "questions": ["How old is Nadia?", "What is Łódź?"],
        "answers": [[str(number)], ["a town", "town"]],
        "metadata": {"source": "factconsolidation_sh_6k", "qa_pair_ids": ["a", "b"]},
    }


def _longmemeval(number: int) -> dict[str, Any]:
    said = {"role": "user", "content": f"I own {number} kites – red ones.", "has_answer": True}
    heard = {"role": "assistant", "content": "Ärö is windy."}
    return {
        "question_id": f"q{number}" + "_abs" * (number == 3),
        "question_type": ("multi-session", "single-session-preference", "temporal-reasoning")[
            number - 1
        ],
        "question": "How many kites?",
        "answer": number if number == 1 else f"{number} kites",
        "question_date": "2023/05/30 (Tue) 23:40",
        "haystack_session_ids": ["b", "a"],
        "haystack_dates": ["2023/05/21 (Sun) 18:03", "2023/05/20 (Sat) 02:21"],
        "haystack_sessions": [[heard, said], [said, heard, heard]],
        "answer_session_ids": ["a"],
    }


def _squad(number: int) -> dict[str, Any]:
    """An article: a paragraph with two questions, and one whose question it does not answer."""
    asked: Rows = [
        {
            "id": f"q{number}a",
            "question": f" Who lives on Ärö, {number}? ",
            "answers": [{"text": "Bo", "answer_start": 0}, {"text": "Bo", "answer_start": 0}],
        },
        {
            "id": f"q{number}b",
            "question": "How many ships?",
            "answers": [
                {"text": str(number), "answer_start": 20},
                {"text": "some", "answer_start": 3},
            ],
        },
    ]
    more = {"id": f"q{number}c", "question": "Why?", "answers": [], "is_impossible": True}
    context = f"Bo lives on Ärö and has {number} ships."
    return {
        "title": f"Bo_{number}",
        "paragraphs": [
            {"context": context, "qas": asked},
            {"context": f"Some sail, {number}.", "qas": [more, {**asked[1], "id": f"q{number}d"}]},
        ],
    }


def _squad_hub(article: dict[str, Any]) -> Rows:
    return [
        {
            "id": question["id"],
            "title": article["title"],
            "context": paragraph["context"],
            "question": question["question"],
            "answers": {
                name: [answer[name] for answer in question["answers"]]
                for name in ("text", "answer_start")
            },
        }
        for paragraph in article["paragraphs"]
        for question in paragraph["qas"]
    ]


def nulled(rows: Sequence[dict[str, Any]]) -> Rows:
    """Rows with every key of any of them, at every depth, as columns have them."""
    keys = dict.fromkeys(key for row in rows for key in row)
    full = [{key: row.get(key) for key in keys} for row in rows]
    for key in keys:
        values = [row[key] for row in full if row[key] is not None]
        if values and all(isinstance(value, dict) for value in values):
            filled = iter(nulled(values))
            for row in full:
                row[key] = None if row[key] is None else next(filled)
        elif values and all(isinstance(v, list) and all(map(_is_row, v)) for v in values):
            inner = iter(nulled([item for value in values for item in value]))
            for row in full:
                row[key] = None if row[key] is None else [next(inner) for _ in row[key]]
    return full


def _is_row(value: Any) -> bool:
    return isinstance(value, dict)


def _case(make: Callable[..., Benchmark], row: Callable[[int], Any], id: str | None) -> Case:
    rows = [row(number) for number in (1, 2, 3)]
    return Case(make=make, rows=rows, hub=nulled(rows), id=id)


HOTPOT = _case(HotpotQA, _hotpot, "_id")
LOCOMO = _case(Locomo, _locomo, "sample_id")
for _row in LOCOMO.hub:
    for _question in _row["qa"]:  # a column has one type
        _question["answer"] = None if _question["answer"] is None else str(_question["answer"])
LONGMEMEVAL = _case(LongMemEval, _longmemeval, "question_id")
for _row in LONGMEMEVAL.hub:
    _row["answer"] = str(_row["answer"])
SQUAD = [_squad(number) for number in (1, 2, 3)]
CASES = {
    "locomo": LOCOMO,
    "hotpotqa": Case(
        make=HotpotQA, rows=HOTPOT.rows, hub=[_hotpot_hub(row) for row in HOTPOT.rows], id="_id"
    ),
    "squad": Case(
        make=Squad, rows=SQUAD, hub=[row for a in SQUAD for row in _squad_hub(a)], id=None
    ),
    "longmemeval": LONGMEMEVAL,
    "gpqa": _case(GPQA, _gpqa, "Record ID"),
    "ifeval": _case(IFEval, _ifeval, "key"),
    "memory_agent_bench": _case(MemoryAgentBench, _mab, None),
}
