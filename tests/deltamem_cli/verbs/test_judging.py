"""``judge.url=`` of ``eval`` and ``score``: real runs, a real server, killed and gone on with."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import test_locomo
import test_longmemeval
from judge_server import JudgeServer, said, serving
from summary_prompts import checkout

KEY = "sk-very-secret"
PACE = ("judge.tries=2", "judge.wait=0.01")


def opinion(content: dict[str, Any]) -> Any:
    """Right is what is asked of plants, and of abstention; by Mem0's prompt everything is."""
    prompt = content["messages"][0]["content"]
    if '"label"' in prompt:
        return said('{"label": "CORRECT"}')
    return said("yes" if "repotted" in prompt or "unanswerable" in prompt else "no")


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> Iterator[JudgeServer]:
    monkeypatch.setenv("DELTAMEM_JUDGE_KEY", KEY)
    with serving(JudgeServer(reply=opinion)) as server:
        yield server


def words(judge: JudgeServer, model: str = "judge-7b") -> tuple[str, ...]:
    return (f"judge.url={judge.url}", f"judge.model={model}", *PACE)


def longmemeval() -> tuple[str, ...]:
    test_longmemeval.write_official(Path("lme.json"))
    return "bench=longmemeval", "bench.path=lme.json", "bench.max_new_tokens=4", "method=frozen"


def test_eval_then_score(judge: JudgeServer, cli: Callable[..., Any]) -> None:
    asked = longmemeval()
    plain = json.loads(cli("eval", *asked, "--json").out)
    assert plain["rescored"] == []
    # the server fails in the middle: what was judged is kept, and so are the answers
    judge.first = [said("no"), said("no"), (500, b""), (500, b"")]
    done = cli("eval", *asked, *words(judge), "--json")
    assert (done.code, done.out) == (5, ""), done.err
    assert "gave no verdict on q3: 2 tries, the last of which ended with HTTP 500" in done.err
    assert "all answers and 2 of 7 judgements are kept: run the same command again" in done.err
    assert json.loads(Path(plain["path"]).read_text())["metrics"] == plain["metrics"]
    asked_before = len(judge.requests)
    done = cli("eval", *asked, *words(judge), "--json")
    assert done.code == 0, done.err
    assert len(judge.requests) == asked_before + 5
    record = json.loads(done.out)
    assert (record["key"], record["fingerprint"]) == (plain["key"], plain["fingerprint"])
    assert record["metrics"] == plain["metrics"]
    (entry,) = record["rescored"]
    assert entry["judge"] == "judge-7b, asked as LongMemEval's judge, version 1"
    assert entry["fingerprint"] != record["fingerprint"]
    judged = entry["metrics"]["judged"]
    assert (judged["n"], judged["mean"]) == (7, pytest.approx(2 / 7))
    groups = {name: group["mean"] for name, group in judged["groups"].items()}
    assert (groups["multi-session"], groups["abstention"], groups["knowledge-update"]) == (1, 1, 0)
    assert entry["metrics"]["judged_by_type"]["mean"] == pytest.approx(1 / 6)
    # another model asks again, the same one does not
    folder = Path(record["path"]).parent
    done = cli("score", str(folder), asked[1], *words(judge, "judge-70b"))
    assert done.code == 0, done.err
    assert "judged by judge-70b, asked as LongMemEval's judge, version 1" in done.err
    assert f"judged: {2 / 7:.4f} (not scored before; 7 answers)" in done.out
    assert len(judge.requests) == asked_before + 5 + 7
    assert cli("score", str(folder), asked[1], *words(judge)).code == 0
    assert len(judge.requests) == asked_before + 5 + 7
    kept = json.loads((folder / "record.json").read_text())["rescored"]
    assert [found["judge"].partition(",")[0] for found in kept] == [
        "judge-7b",
        "judge-70b",
        "judge-7b",
    ]
    assert len({found["fingerprint"] for found in kept}) == 2
    for path in [*folder.rglob("*"), *Path("results").rglob("*")]:
        assert KEY not in path.read_text()
        assert judge.url not in path.read_text()
    # a damaged file of judgements
    (folder / "verdicts.json").write_text('{"verdicts": {"a": 1}, "schema": 2}')
    done = cli("score", str(folder), asked[1], *words(judge))
    assert (done.code, len(done.err.splitlines())) == (2, 1)
    assert "verdicts.json" in done.err


def test_judged_runs_are_compared_by_their_judge(
    judge: JudgeServer, cli: Callable[..., Any]
) -> None:
    asked = longmemeval()
    judge.first = [said("no")] * 7
    folders = []
    for context in ("none", "visible"):
        done = cli("eval", *asked, f"context={context}", *words(judge), "--json")
        assert done.code == 0, done.err
        folders.append(str(Path(json.loads(done.out)["path"]).parent))
    done = cli("compare", *folders, "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    first = found["rows"][0]
    assert first["metric"] == "judged, by judge-7b, asked as LongMemEval's judge, version 1"
    assert (first["a"], first["b"], first["n"]) == (0, pytest.approx(2 / 7), 7)
    assert "ahead of A by 28.6 points of judged, by judge-7b, asked as LongM" in found["verdict"]
    assert {row["metric"] for row in found["rows"]} > {first["metric"], "unjudged_f1"}
    # another judge of one of them alone
    assert cli("score", folders[0], asked[1], *words(judge, "judge-70b")).code == 0
    found = json.loads(cli("compare", *folders, "--json").out)
    assert not any("judge-70b" in row["metric"] for row in found["rows"])
    (note,) = [note for note in found["notes"] if "judge" in note]
    assert note.startswith(
        "judge-70b, asked as LongMemEval's judge, version 1 has judged only long"
    )
    # judgements that are gone are no judgements
    Path(folders[1], "verdicts.json").unlink()
    found = json.loads(cli("compare", *folders, "--json").out)
    assert found["rows"][0]["metric"] == "unjudged_contains"


def test_a_key_that_is_refused(judge: JudgeServer, cli: Callable[..., Any]) -> None:
    judge.reply = lambda content: (401, KEY.encode())
    done = cli("eval", *longmemeval(), *words(judge), "--limit", "1")
    assert done.code == 4
    assert "refuses the key in DELTAMEM_JUDGE_KEY (HTTP 401); all answers and 0 of 1" in done.err
    assert KEY not in done.err + done.out
    assert len(list(Path("runs").glob("*/record.json"))) == 1


@pytest.mark.parametrize("bench", ["locomo", "memory_agent_bench"])
def test_benchmarks_that_others_judge(
    bench: str, judge: JudgeServer, cli: Callable[..., Any]
) -> None:
    """LoCoMo without category 5; of MemoryAgentBench LongMemEval's source, by its types."""
    if bench == "locomo":
        Path("data.json").write_text(json.dumps([test_locomo.conversation()]))
        asked, count, rules = [], 4, "Mem0's judge of LoCoMo, version 1"
    else:
        row = {
            "context": "user: I have two cats.",
            "questions": ["How many cats?", "How many dogs?", "Why?"],
            "answers": [["2", "two"], ["You told me of no dog."], ["x"]],
            "metadata": {
                "source": "longmemeval_s*",
                "question_types": ["multi-session", "multi-session", "other"],
                "question_ids": ["a", "b_abs", "c"],
            },
        }
        Path("data.json").write_text(json.dumps([row]))
        asked, count, rules = ["bench.sources=[longmemeval*]"], 2, "LongMemEval's judge, version 1"
    done = cli(
        "eval", f"bench={bench}", "bench.path=data.json", "bench.max_new_tokens=4", *asked,
        "method=frozen", *words(judge),
    )  # fmt: skip
    assert done.code == 0, done.err
    assert f"({count} answers; by judge-7b, asked as {rules})" in done.out
    assert len(judge.requests) == count
    prompts = [content["messages"][0]["content"] for content in judge.requests]
    if bench == "memory_agent_bench":
        assert "Correct Answer: ['2', 'two']" in prompts[0]
        assert "unanswerable" in prompts[1]


def judged_summary(content: dict[str, Any]) -> Any:
    """Fluent, one of two points, two of three sentences."""
    prompt = content["messages"][0]["content"]
    if "fluent" in prompt:
        return said('{"fluency": 1}')
    recall, precision = '{"recall": 1}', '{"precision": 2, "sentence_count": 3}'
    return said(recall if "points" in prompt else precision)


def test_summaries_are_judged_by_three_questions(
    judge: JudgeServer, cli: Callable[..., Any], tmp_path: Path
) -> None:
    """One of the three fails: the others are asked and kept, and score asks that one again."""
    row = {
        "context": "They meet. They part.",
        "questions": ["Write a summary."],
        "answers": [["Two meet and part."]],
        "metadata": {"source": "infbench_sum_eng_shots2", "keypoints": ["They meet.", "It rains."]},
    }
    Path("data.json").write_text(json.dumps([row]))
    data = ("bench.path=data.json", f"bench.judge_path={checkout(tmp_path / 'mab')}")
    asked = ("bench=memory_agent_bench", "bench.sources=[infbench*]", "bench.max_new_tokens=4")
    judge.first = [said('{"fluency": 1}'), said('{"recall": 3}'), said("?")]
    judge.reply = judged_summary
    done = cli("eval", *asked, *data, "method=frozen", *words(judge))
    assert done.code == 5
    assert "2 of 3 judgements are kept" in done.err
    (folder,) = Path("runs").iterdir()
    done = cli("score", str(folder), *data, *words(judge), "--json")
    assert done.code == 0, done.err
    assert len(judge.requests) == 5
    entry = json.loads(done.out)["rescored"][-1]
    recall, precision = 1 / 2, 2 / 3
    expected = 2 * recall * precision / (recall + precision)
    assert entry["metrics"]["judged"]["mean"] == pytest.approx(expected)
    assert entry["judge"].startswith(
        "judge-7b, asked as MemoryAgentBench's judge of summaries (prompts "
    )
    # without the checkout nobody judges them
    done = cli("score", str(folder), data[0], *words(judge))
    assert done.code == 2
    assert "no answer of this run has a judge" in done.err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["judge.url=http://127.0.0.1:1/v1"], "only judge.url was given"),
        (["judge.model=x"], "only judge.model was given"),
        (
            ["judge.url=http://127.0.0.1:1/v1", "judge.model=x"],
            "have no judge: leave out judge.url",
        ),
        (["judge.tries=0"], "judge.tries is 0"),
        (["bench=longmemeval", "judge.url=nowhere", "judge.model=x"], "judge.url must be an addr"),
    ],
    ids=str,
)
def test_nobody_to_judge(words: list[str], sentence: str, cli: Callable[..., Any]) -> None:
    done = cli("eval", *words)
    assert (done.code, done.out, len(done.err.splitlines())) == (2, "", 1), done.err
    assert sentence in done.err
    assert not Path("runs").exists()
