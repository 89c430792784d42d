"""LongMemEval: rows of the official form, chats by date, groups, scores without a judge, a run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from shown_tokens import shown_tokens

from deltamem_base.faults import InvalidData, InvalidInput, Unavailable
from deltamem_baselines.frozen import Frozen
from deltamem_evaluations.benchmarks import longmemeval
from deltamem_evaluations.benchmarks.longmemeval import COUNTS, SOURCES, SYSTEM, LongMemEval
from deltamem_evaluations.data.rows.longmemeval import TYPES
from deltamem_evaluations.records.store import SampleStore
from deltamem_evaluations.runner import Plan, run

OLD, RECENT = "2023/05/20 (Sat) 02:21", "2023/05/21 (Sun) 18:03"


def turn(role: str, content: str, **fields: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **fields}


PLANTS = [
    turn("user", "I have repotted the fern and two palms.", has_answer=True),
    turn("assistant", "Lovely! Did they need bigger pots?", has_answer=False),
]
TRAINS = [
    turn("user", "Which train goes to Lund?"),
    turn("assistant", "The one at nine. It is never late."),
    turn("user", ""),
]


def question(name: str, kind: str, text: str, answer: Any, **fields: Any) -> dict[str, Any]:
    """A question about two chats, of which the newer one stands first, as in the oracle file."""
    return {
        "question_id": name,
        "question_type": kind,
        "question": text,
        "answer": answer,
        "question_date": "2023/05/30 (Tue) 23:40",
        "haystack_session_ids": ["answer_2", "answer_1"],
        "haystack_dates": [RECENT, OLD],
        "haystack_sessions": [TRAINS, PLANTS],
        "answer_session_ids": ["answer_1"],
        **fields,
    }


def official() -> list[dict[str, Any]]:
    """A question of each type, and one that the chats do not answer."""
    return [
        question("q1", "single-session-user", "What did I repot?", "The fern and two palms"),
        question("q2", "single-session-assistant", "Which train did you name?", "the one at nine"),
        question(
            "q3", "single-session-preference", "What shall I buy?", "They like plants, not pots."
        ),
        question("q4", "multi-session", "How many plants have I repotted?", 3),
        question("q5", "temporal-reasoning", "How many days before the train?", "1 day"),
        question("q6", "knowledge-update", "When does my train go?", "at nine"),
        question(
            "q7_abs",
            "multi-session",
            "How many cats have I?",
            "You did not mention any cats, only plants.",
        ),
    ]


def write_official(path: Path) -> Path:
    path.write_text(json.dumps(official()), encoding="utf-8")
    return path


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., LongMemEval]:
    def make(rows: Any = None, **settings: Any) -> LongMemEval:
        path = tmp_path / "longmemeval.json"
        path.write_text(json.dumps(official() if rows is None else rows))
        benchmark = LongMemEval(path=str(path), **settings)
        benchmark.load()
        return benchmark

    return make


def test_a_sample_in_full(tiny: Any, made: Callable[..., LongMemEval]) -> None:
    """Chats stand by date, wherever they stand in the file; each says its date once."""
    benchmark = made()
    sample = benchmark.samples()[3]
    assert (sample.id, sample.history_id, sample.references) == ("q4", "q4", ("3",))
    assert sample.question == (
        "TODAY: 2023/05/30 (Tue) 23:40\nQUESTION: How many plants have I repotted?"
    )
    assert sample.metadata == {
        "question_type": "multi-session",
        "abstention": False,
        "evidence": ["answer_1"],
    }
    history = benchmark.history("q4")
    said = f"""DATE: {OLD}
CHAT:
user: I have repotted the fern and two palms.
assistant: Lovely! Did they need bigger pots?
DATE: {RECENT}
CHAT:
user: Which train goes to Lund?
assistant: The one at nine. It is never late.
user: 
{sample.question}"""  # noqa: W291
    asked = {"role": "user", "content": sample.question}
    text = tiny.render([*history.messages, asked], join=history.join).text
    assert text == f"<|im_start|>system\n{SYSTEM}<|im_end|>\n<|im_start|>user\n{said}<|im_end|>\n"
    assert [m.get("session") for m in history.messages] == [None, "1", "1", "2", "2", "2"]
    assert [m.get("speaker") for m in history.messages[1:3]] == ["user", "assistant"]
    assert history.cut.side == "end"


def test_abstention_counts_as_a_group_and_as_its_type(made: Callable[..., LongMemEval]) -> None:
    benchmark = made()
    groups = {sample.id: sample.groups for sample in benchmark.samples()}
    assert groups["q7_abs"] == ("multi-session", "abstention")
    assert groups["q4"] == ("multi-session",)
    assert {group for names in groups.values() for group in names} == set(COUNTS)
    assert benchmark.protocol()["groups"]["multi-session"] == 2


ABSTAINED = "You never mentioned a cat."


@pytest.mark.parametrize(
    ("number", "answer", "scores"),
    [
        (1, "The train is the one at nine.", {"contains": 1, "f1": 2 * 3 / (5 + 3)}),
        (1, "at ten", {"contains": 0, "f1": 2 * 1 / (2 + 3)}),
        (3, "<think>4?</think> It is 3, I think.", {"contains": 1, "f1": 2 * 1 / (5 + 1)}),
        (3, "33", {"contains": 0, "f1": 0}),
        (3, ABSTAINED, {"contains": 0, "f1": 0}),
        (2, "Anything green.", {}),
        (6, ABSTAINED, {"abstains": 1}),
        (6, "You have two cats.", {"abstains": 0}),
        (6, "", {"abstains": 0}),
    ],
)
def test_scores_without_a_judge(
    number: int, answer: str, scores: dict[str, float], made: Callable[..., LongMemEval]
) -> None:
    """By hand; whatever is measured says that nobody judged it."""
    benchmark = made()
    found = benchmark.score(benchmark.samples()[number], answer)
    assert found == pytest.approx({f"unjudged_{name}": value for name, value in scores.items()})


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"question_type": "two_hop"}, "'question_type' is 'two_hop'; it must be one of single-"),
        ({"haystack_dates": [OLD]}, "has 2 'haystack_session_ids', 1 'haystack_dates' and 2"),
        ({"haystack_dates": [OLD, " "]}, r"'haystack_dates\[1\]' is blank"),
        (
            {"haystack_sessions": [[turn("system", "x")], []]},
            r"'haystack_sessions\[0\]\[0\].role' does not fit: Input should be 'user' or 'assist",
        ),
        (
            {"haystack_sessions": [[{"role": "user"}], []]},
            r"'haystack_sessions\[0\]\[0\].content' is missing",
        ),
        ({"answer": None}, "'answer' is null; text or a number is expected"),
        ({"question": " "}, "'question' is blank"),
        ({"answer_session_ids": "x"}, "'answer_session_ids' is text"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_bad_row_is_named_by_its_question(
    fields: dict[str, Any], sentence: str, made: Callable[..., LongMemEval]
) -> None:
    rows = official()
    rows[3] = {**rows[3], **fields}
    with pytest.raises(InvalidData, match=rf"longmemeval.json, row 4, question q4: {sentence}"):
        made(rows)


def test_a_row_without_an_id_is_named_by_its_place(made: Callable[..., LongMemEval]) -> None:
    rows = official()
    del rows[3]["question_id"]
    with pytest.raises(InvalidData, match=r"row 4: 'question_id' is missing"):
        made(rows)


def test_what_tells_a_file_from_the_release(made: Callable[..., LongMemEval]) -> None:
    deviations = made().data().deviations
    assert deviations[0].startswith("the file is not one of those released in 2025")
    assert "multi-session 2, " in deviations[1]
    assert "abstention 1 instead of the released counts" in deviations[1]
    names = {kind: [f"{kind}-{i}" for i in range(COUNTS[kind])] for kind in TYPES}
    names["multi-session"][-30:] = [f"{i}_abs" for i in range(30)]
    rows = [
        question(name, kind, "?", "x", haystack_sessions=[[], PLANTS[:1]])
        for kind in TYPES
        for name in names[kind]
    ]
    whole = made(rows).data()
    assert len(whole.deviations) == 1
    assert (whole.source, whole.subset, whole.revision) == ("longmemeval.json", None, None)


def test_a_released_file_is_known_by_its_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it is called; a download of it is checked and kept in the data folder."""
    monkeypatch.setenv("DELTAMEM_DATA", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    served = write_official(tmp_path / "elsewhere.json")
    digest = hashlib.sha256(served.read_bytes()).hexdigest()
    mirrored = replace(SOURCES["oracle"], url=served.as_uri(), sha256=digest)
    monkeypatch.setattr(longmemeval, "SOURCES", {**SOURCES, "oracle": mirrored})
    benchmark = LongMemEval(subset="oracle")
    assert benchmark.sources() == (mirrored,)
    benchmark.load()
    data = benchmark.data()
    assert (data.source, data.subset) == ("xiaowu0162/longmemeval-cleaned", "oracle")
    assert (data.revision, data.sha256, data.deviations) == (longmemeval.REVISION, digest, ())
    assert (tmp_path / "longmemeval_oracle.json").is_file()
    served.unlink()
    LongMemEval(subset="oracle").load()


def test_no_data_and_no_such_subset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DELTAMEM_DATA", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(Unavailable, match=r"longmemeval_s_cleaned.json \(MIT\).*bench.path=FILE"):
        LongMemEval().load()
    with pytest.raises(InvalidInput, match="bench.subset is 'm'; choose one of s, oracle"):
        LongMemEval(subset="m")


@pytest.mark.parametrize("context", ["visible", "none"])
def test_a_run_from_end_to_end(
    context: str, tiny: Any, made: Callable[..., LongMemEval], tmp_path: Path
) -> None:
    benchmark = made(max_new_tokens=4)
    with SampleStore(tmp_path / "run", key="k") as store:
        scored = run(benchmark, Frozen(tiny, context=context), store, plan=Plan())
        rows = dict(store.lines)
    for sample in benchmark.samples():
        shown = shown_tokens(benchmark, sample, tiny, context=context)
        assert rows[sample.id].prompt_tokens == shown
        assert rows[sample.id].scores == benchmark.score(sample, rows[sample.id].answer)
    counts = {name: metric.n for name, metric in benchmark.metrics(scored).items()}
    assert counts == {"unjudged_contains": 5, "unjudged_f1": 5, "unjudged_abstains": 1}
