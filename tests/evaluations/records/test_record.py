"""Records: complete or not shown, written whole or not at all."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from toys import Letters, Parrot

from deltamem_base.faults import Fault, InvalidData
from deltamem_base.whole_files import write_json
from evaluations.benchmark import Scored
from evaluations.records.origins import each, origins_of
from evaluations.records.record import Record, make_record, read_record
from evaluations.records.store import SampleStore
from evaluations.reporting import collect
from evaluations.runner import Plan, run

IDENTITY: dict[str, Any] = {
    "cell": "letters__parrot__1",
    "model": "none",
    "method": "parrot",
    "writer": None,
    "bench": "letters",
    "protocol": "benchmark",
    "context": "none",
    "control": "none",
    "seed": 0,
    "limited": False,
    "config": {"a": 1},
    "path": "runs/letters/record.json",
}


def record_of(tmp_path: Path, *, expected: int = 15, change: Any = None, **identity: Any) -> Record:
    benchmark = Letters()
    with SampleStore(tmp_path / "run", key="k") as store:
        scored = run(benchmark, Parrot(), store, plan=Plan())
        if change is not None:
            scored = [change(s) for s in scored]
        return make_record(
            benchmark,
            scored,
            store.rows,
            expected=expected,
            identity={**IDENTITY, **identity},
            described={"trained_parameters": 7, "state_bytes": 8},
            deviations=["by hand"],
            seconds=1.5,
        )


def test_what_a_record_holds(tmp_path: Path) -> None:
    record = record_of(tmp_path)
    assert record.complete
    assert record.n == {"expected": 15, "scored": 15}
    assert record.metrics["em"]["mean"] == 1.0
    assert record.metrics["em"]["ci95"] == [1.0, 1.0]
    assert record.metrics["em"]["groups"]["q1"]["n"] == 5
    assert record.cost["trained_parameters"] == 7
    assert record.cost["written_tokens"] == 6
    assert record.cost["peak_memory_mb"] > 1
    assert record.provenance["versions"]["numpy"]
    assert record.fingerprint == Letters().fingerprint()
    assert "by hand" in record.deviations


def test_missing_and_non_finite_samples_are_not_complete(tmp_path: Path) -> None:
    assert not record_of(tmp_path / "a", expected=16).complete

    def poison(scored: Scored) -> Scored:
        return replace(scored, scores={"em": math.nan}) if scored.sample.id == "2-1" else scored

    record = record_of(tmp_path / "b", change=poison)
    assert not record.complete
    assert record.n["scored"] == 14
    assert record.metrics["em"]["mean"] == 1.0


def test_round_trip_and_atomic_writing(tmp_path: Path) -> None:
    record = record_of(tmp_path)
    path = write_json(tmp_path / "deep" / "record.json", record.to_json())
    assert read_record(path).to_json() == json.loads(path.read_text())
    assert [p.name for p in path.parent.iterdir()] == ["record.json"]
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"bad": math.nan})
    assert read_record(path).complete
    (tmp_path / "file").write_text("")
    with pytest.raises(Fault, match="cannot be written"):
        write_json(tmp_path / "file" / "record.json", {})


@pytest.mark.parametrize("content", ["", "{", "[]", '{"cell": "x"}', '{"unknown": 1}'])
def test_damaged_records_are_named(content: str, tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.write_text(content)
    with pytest.raises(InvalidData, match="is not a whole record .* run the same `deltamem eval`"):
        read_record(path)


def write_all(folder: Path, *records: Record) -> Path:
    for record in records:
        write_json(folder / f"{record.cell}.json", record.to_json())
    return folder


def test_only_complete_records_reach_a_table(tmp_path: Path) -> None:
    whole = record_of(tmp_path / "a")
    part = record_of(tmp_path / "b", expected=99, cell="letters__parrot__2")
    folder = write_all(tmp_path / "results", whole, part)
    (folder / "x__y.json").write_text("{")
    stored, left_out = collect([folder])
    assert [s.record.cell for s in stored] == [whole.cell]
    assert len(left_out) == 2
    assert any("15 of 99 samples: left out" in sentence for sentence in left_out)


def test_the_same_cell_counts_once(tmp_path: Path) -> None:
    record = record_of(tmp_path)
    results = write_all(tmp_path / "results", record)
    write_json(tmp_path / "runs" / record.cell / "record.json", record.to_json())
    stored, _ = collect([results, tmp_path / "runs"])
    assert len(stored) == 1


def test_a_record_says_what_its_lines_were_made_with(tmp_path: Path) -> None:
    """Half of the answers in float32, half in bfloat16: neither alone is the run's."""
    benchmark = Letters()
    for dtype, limit in (("float32", 7), ("bfloat16", None)):
        numerics = {"model_dtype": dtype, "model_device": "cpu"}
        with SampleStore(tmp_path / "run", key="k", numerics=numerics) as store:
            scored = run(benchmark, Parrot(), store, plan=Plan(limit=limit))
            record = make_record(
                benchmark,
                scored,
                store.rows,
                expected=15,
                identity=IDENTITY,
                described={"adapter_sha": "a"},
                deviations=[],
                seconds=1.0,
            )
        mixed = "not all answers were made alike: model_dtype float32 and bfloat16"
        assert (mixed in record.deviations) is (limit is None)
    assert record.provenance["method"] == {
        "adapter_sha": "a",
        "model_dtype": ["float32", "bfloat16"],
        "model_device": "cpu",
    }


def test_commits_and_versions_are_those_of_the_lines() -> None:
    made = [
        {"numerics": {}, "versions": {"torch": "2.6", "numpy": "2.0"}, "git_commit": "a" * 40},
        {"numerics": {}, "versions": {"torch": "2.7", "numpy": "2.0"}, "git_commit": "b" * 40},
    ]
    found = origins_of([{"origin": one} for one in (*made, made[0])])
    assert found.environment["versions"] == {"torch": ["2.6", "2.7"], "numpy": "2.0"}
    assert found.environment["git_commit"] == ["a" * 40, "b" * 40]
    assert found.differing == ["torch 2.6 and 2.7", f"git_commit {'a' * 40} and {'b' * 40}"]
    assert each(found.environment["git_commit"]) == ["a" * 40, "b" * 40]
    assert (each(None), each("a")) == ([], ["a"])
