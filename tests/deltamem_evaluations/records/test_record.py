"""Records: complete or not shown, written whole or not at all."""

from __future__ import annotations

import json
import math
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from toys import IDENTITY, PATH, Letters, Parrot, made_with

from deltamem_base.faults import Fault, InvalidData
from deltamem_base.whole_files import write_json
from deltamem_evaluations.metrics.statistics import EXACT
from deltamem_evaluations.records.environment import Environment
from deltamem_evaluations.records.making import make_record
from deltamem_evaluations.records.origins import Environments, NumericsUsed, differing
from deltamem_evaluations.records.record import Counts, Record, read_record
from deltamem_evaluations.records.store import SampleStore
from deltamem_evaluations.reporting import collect
from deltamem_evaluations.runner import Plan, run


def record_of(tmp_path: Path, *, expected: int = 15, **identity: Any) -> Record:
    benchmark = Letters()
    with SampleStore(tmp_path / "run", key="k") as store:
        scored = run(benchmark, Parrot(), store, plan=Plan())
        return make_record(
            benchmark,
            scored,
            store.lines,
            expected=expected,
            cell=replace(IDENTITY, **identity),
            path=PATH,
            made=made_with({"trained_parameters": 7, "state_bytes": 8}, deviations=["by hand"]),
        )


def test_what_a_record_holds(tmp_path: Path) -> None:
    record = record_of(tmp_path)
    assert record.complete
    assert record.n == Counts(expected=15, scored=15)
    metric = record.metrics["em"]
    # five histories, all right: the lower end is that of Clopper and Pearson, 0.025^(1/5)
    assert (metric.mean, metric.ci95) == (1.0, (pytest.approx(0.025**0.2), 1.0))
    assert (metric.interval, metric.clusters) == (EXACT, 5)
    assert metric.groups["q1"].n == 5
    assert record.cost.trained_parameters == 7
    assert record.cost.written_tokens == 6
    assert record.cost.recalled_units is None
    assert record.cost.peak_memory_mb > 1
    assert record.provenance.environment.versions["numpy"]
    assert record.fingerprint == Letters().fingerprint()
    assert "by hand" in record.deviations


def test_missing_samples_are_not_complete(tmp_path: Path) -> None:
    record = record_of(tmp_path, expected=16)
    assert not record.complete
    assert record.n == Counts(expected=16, scored=15)


def test_round_trip_and_atomic_writing(tmp_path: Path) -> None:
    record = record_of(tmp_path)
    path = write_json(tmp_path / "deep" / "record.json", record.to_json())
    assert read_record(path) == record
    assert [p.name for p in path.parent.iterdir()] == ["record.json"]
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"bad": math.nan})
    assert read_record(path).complete
    (tmp_path / "file").write_text("")
    with pytest.raises(Fault, match="cannot be written"):
        write_json(tmp_path / "file" / "record.json", {})


DEEP = "[" * 100_000
CHANGES: list[tuple[str, Any, str]] = [
    (
        "schema",
        1,
        r"is not a record of schema 2 \(its schema is 1\): run the same `deltamem eval` again",
    ),
    ("schema", None, "is not a record of schema 2"),
    ("cell", "../victim/config", "cell is"),
    ("cell", "/etc/passwd", "cell is"),
    ("cell", ".hidden", "cell is"),
    ("cell", 5, "cell is 5; it must be text"),
    ("complete", "yes", 'complete is "yes"; it must be true or false'),
    ("n", {"expected": -1, "scored": 15}, "n.expected is -1; it must be at least 0"),
    ("n", [15, 15], "n is a list; it must be an object"),
    (
        "metrics",
        {
            "em": {
                "mean": 100.0,
                "ci95": [0.5, 1.0],
                "n": 15,
                "clusters": 5,
                "resampled": "histories",
                "interval": "x",
                "groups": {},
            }
        },
        "em reaches 100; it must be at most 1",
    ),
    ("metrics", None, "metrics is null; it must be an object"),
    ("provenance", {}, "the key provenance.data is missing"),
    ("config", {"bench": {"path": math.inf}}, "inf is not a finite number"),
    ("thinking", {"cut": math.nan}, "thinking.cut is NaN"),
    ("date", None, "date is null; it must be text"),
    ("mystery", 1, "the key mystery is unknown"),
]


@pytest.mark.parametrize(("field", "value", "sentence"), CHANGES)
def test_damaged_records_are_named(field: str, value: Any, sentence: str, tmp_path: Path) -> None:
    content = record_of(tmp_path).to_json()
    path = tmp_path / "record.json"
    path.write_text(json.dumps({**content, field: value}))
    with pytest.raises(InvalidData, match=sentence) as fault:
        read_record(path)
    assert str(fault.value).startswith(str(path))


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", DEEP, '{"a": ' + DEEP, '{"a": "\\ud800"}']
)
def test_what_is_no_record_is_one_sentence(content: str, tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.write_text(content)
    with pytest.raises(InvalidData, match=r"record\.json") as fault:
        read_record(path)
    assert "\n" not in str(fault.value)


@pytest.mark.parametrize("field", [field.name for field in fields(Record)])
def test_every_field_may_be_missing_without_a_traceback(field: str, tmp_path: Path) -> None:
    content = record_of(tmp_path).to_json()
    del content[field]
    path = tmp_path / "record.json"
    path.write_text(json.dumps(content))
    if field in ("thinking", "rescored"):
        assert read_record(path).cell == content["cell"]
        return
    with pytest.raises(InvalidData, match="is missing|is not a record of schema"):
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
                store.lines,
                expected=15,
                cell=IDENTITY,
                path=PATH,
                made=made_with({"adapter_sha": "a"}),
            )
        mixed = "not all answers were made alike: model_dtype float32 and bfloat16"
        assert (mixed in record.deviations) is (limit is None)
    made = record.provenance
    assert made.method.adapter_sha == "a"
    assert made.backbone.model_dtype == ("float32", "bfloat16")
    assert made.backbone.model_device == ("cpu",)


def test_commits_and_versions_are_those_of_the_lines() -> None:
    fixed = {"python": "3", "platform": "Linux", "device": None, "git_dirty": False}
    made = [
        Environment(versions={"torch": "2.6", "numpy": "2.0"}, git_commit="a" * 40, **fixed),
        Environment(versions={"torch": "2.7", "numpy": "2.0"}, git_commit="b" * 40, **fixed),
    ]
    found = Environments.of((*made, made[0]))
    assert found.versions == {"torch": ("2.6", "2.7"), "numpy": ("2.0",)}
    assert found.git_commit == ("a" * 40, "b" * 40)
    assert (found.git_dirty, found.device) == ((False,), ())
    assert differing(NumericsUsed(), found) == [
        "torch 2.6 and 2.7",
        f"git_commit {'a' * 40} and {'b' * 40}",
    ]
