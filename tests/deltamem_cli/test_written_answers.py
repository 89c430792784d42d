"""In the paper's protocol questions and answers write, or GPQA and IFEval measure no memory."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import test_gpqa

ROWS = 12
WORDS = ("bench=gpqa", "bench.path=gpqa_diamond.csv", "bench.max_new_tokens=8")
PAPER = "bench.protocol=paper"
MSW = ("method=delta_mem", "writer=msw")
NOTHING = "nothing was written to the memory: these are answers of the bare backbone"


@pytest.fixture
def run(cli: Callable[..., Any]) -> Callable[..., tuple[dict[str, Any], list[dict[str, Any]]]]:
    """The record and the samples of an evaluation on made-up rows of GPQA: empty histories."""
    test_gpqa.write_csv(Path("gpqa_diamond.csv"), *map(test_gpqa.record, range(1, ROWS + 1)))

    def call(*words: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        done = cli("eval", *WORDS, *words, "--json")
        assert done.code == 0, done.err
        content = json.loads(done.out)
        lines = Path(content["path"]).with_name("samples.jsonl").read_text().splitlines()
        return content, [json.loads(line) for line in lines]

    return call


def answers(rows: list[dict[str, Any]]) -> list[str]:
    return [row["prediction"] for row in rows]


def test_an_empty_history_still_writes_in_the_papers_protocol(run: Callable[..., Any]) -> None:
    _, bare = run("method=frozen", PAPER)
    record, rows = run(*MSW, PAPER)
    assert not any(
        ours == theirs for ours, theirs in zip(answers(rows), answers(bare), strict=True)
    )
    assert record["config"]["method"]["write_answers"] is True
    assert record["provenance"]["method"]["write_answers"] is True
    for row in rows:
        assert row["written_tokens"] == 0
        assert row["answer_written_tokens"] == row["prompt_tokens"] + row["new_tokens"] - 1
    assert record["cost"]["written_tokens"] > 0
    assert NOTHING not in record["deviations"]


def test_a_run_that_wrote_nothing_says_so(run: Callable[..., Any]) -> None:
    bare, reference = run("method=frozen", PAPER)
    silent, rows = run(*MSW, PAPER, "method.write_answers=false")
    assert answers(rows) == answers(reference)
    assert NOTHING in silent["deviations"]
    assert NOTHING not in bare["deviations"]
    benchmark, _ = run(*MSW)
    assert NOTHING in benchmark["deviations"]
    told, _ = run(*MSW, PAPER)
    assert len({silent["cell"], told["cell"], benchmark["cell"]}) == 3


@pytest.mark.parametrize(
    ("words", "writes"),
    [
        ((PAPER,), True),
        ((PAPER, "context=none"), False),
        ((PAPER, "control=no_write"), False),
        ((PAPER, "control=foreign"), True),
        ((PAPER, "method.write_answers=false"), False),
        ((), False),
        (("method.write_answers=true",), True),
    ],
    ids=str,
)
def test_who_decides_whether_answers_write(
    words: tuple[str, ...], writes: bool, run: Callable[..., Any]
) -> None:
    record, _ = run(*MSW, *words, "limit=1")
    assert record["provenance"]["method"]["write_answers"] is writes


def test_benchmarks_without_a_protocol_write_histories_alone(cli: Callable[..., Any]) -> None:
    few = ("bench.dialogues=1", "bench.facts=[1]")
    content = json.loads(cli("eval", *few, "context=visible", "--json").out)
    assert content["provenance"]["method"]["write_answers"] is False


def test_a_control_that_writes_nothing_takes_no_other_word(cli: Callable[..., Any]) -> None:
    done = cli("eval", "control=no_write", "method.write_answers=true")
    assert done.code == 2
    assert "control=no_write writes nothing, but method.write_answers=true" in done.err


def test_the_audit_fails_where_nothing_writes(
    run: Callable[..., Any], cli: Callable[..., Any]
) -> None:
    done = cli("audit", *WORDS, *MSW, "--limit", "2", "--json")
    assert done.code == 3
    content = json.loads(done.out)
    assert {c["name"]: c["passed"] for c in content["checks"]}["writes"] is False
    found = [f for f in content["findings"] if f["check"] == "writes"]
    assert len(found) == 2
    assert "bench.protocol=paper" in found[0]["what"]
    done = cli("audit", *WORDS, *MSW, PAPER, "--limit", "2", "--json")
    assert {c["name"]: c["passed"] for c in json.loads(done.out)["checks"]}["writes"] is True


def test_the_plan_says_what_is_taken_in(cli: Callable[..., Any]) -> None:
    test_gpqa.write_csv(Path("gpqa_diamond.csv"), test_gpqa.record(1), test_gpqa.record(2))
    words = ("experiment=table1", "train:training=recall", "eval:bench.path=gpqa_diamond.csv")
    done = cli("ablate", *words, "only=[tsw/gpqa,frozen/gpqa]", "--dry-run")
    assert done.code == 0, done.err
    all_of = "- written to the memory are the tokens of history, question and answer"
    assert all_of in done.out.splitlines()
    both = cli("ablate", *words, "only=[tsw/gpqa,tsw/locomo]", "eval:method.write_answers=false",
               "--dry-run").out  # fmt: skip
    assert "- written to the memory are only the tokens of the history" in both.splitlines()
    told = json.loads(cli("ablate", *words, "only=[tsw/gpqa]", "--dry-run", "--json").out)
    assert [row["write_answers"] for row in told["rows"]] == [None, True]


def test_show_says_what_writes_after_the_history(
    cli: Callable[..., Any], locomo_file: Path
) -> None:
    words = ("bench=locomo", f"bench.path={locomo_file}")
    assert "question and answer are written, too" in cli("show", *words, PAPER).err
    assert "written, too" not in cli("show", *words, PAPER, "context=none").err
