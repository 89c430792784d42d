"""Runs whose scores are known: a real benchmark, the real loop, real files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from toys import Parrot, Said, made_with

from deltamem_base.whole_files import write_json
from deltamem_evaluations.benchmark import Benchmark, Data, Entry
from deltamem_evaluations.records.making import make_record
from deltamem_evaluations.records.record import RECORD, CellIdentity, Record
from deltamem_evaluations.records.store import SampleStore
from deltamem_evaluations.reporting import StoredRecord
from deltamem_evaluations.runner import Plan, run
from deltamem_evaluations.sample import Decoding, History, Prompt, Sample

__all__ = ["OWN", "Drawn", "simulate"]

OWN = {"adapter_sha": "a" * 64, "heads": "qo", "layers": "all", "rank": 8, "model_fingerprint": "m"}
"""What a method with an adapter says of itself."""
FAMILIES = {"frozen": "reference", "delta_mem": "delta-mem"}


class Drawn(Benchmark):
    """Every answer is its own score, under each of some metrics."""

    primary_metric: ClassVar[str] = "em"

    def __init__(
        self, scores: Sequence[Sequence[float]], *, metrics: Sequence[str], groups: Sequence[str]
    ) -> None:
        self.scores, self.names, self.groups = scores, metrics, groups

    def read(self) -> tuple[Data, list[Entry]]:
        return self.data(), []

    def data(self) -> Data:
        return Data(source="drawn")

    def samples(self) -> list[Sample]:
        return [
            Sample(
                id=f"{h}-{q}",
                history_id=str(h),
                question=f"{h}-{q}",
                asked=f"{h}-{q}",
                references=("1",),
                groups=(self.groups[q % len(self.groups)],) if self.groups else (),
            )
            for h, inside in enumerate(self.scores)
            for q in range(len(inside))
        ]

    def history(self, history_id: str) -> History:
        return History(messages=({"role": "user", "content": history_id},))

    def decoding(self, sample: Sample) -> Decoding:
        return Decoding(max_new_tokens=1)

    def score_answer(self, sample: Sample, answer: str) -> dict[str, float]:
        value = float(answer.split()[-1])
        return dict.fromkeys(self.names, value)

    def protocol(self) -> Mapping[str, Any]:
        return {"sizes": [len(inside) for inside in self.scores], "metrics": list(self.names)}


class Secret(Drawn):
    """One whose questions nobody may see."""

    confidential: ClassVar[bool] = True


class Script(Parrot):
    """Answers with the score that was drawn."""

    def __init__(self, benchmark: Drawn, *, before: str) -> None:
        super().__init__()
        self.lines = {
            s.question: f"{before} {benchmark.scores[int(s.history_id)][int(s.id.split('-')[1])]}"
            for s in benchmark.samples()
        }

    def answer(self, prompts: Sequence[Prompt], decoding: Decoding, **pace: Any) -> list[Said]:
        return [Said(self.lines[p.question]) for p in prompts]


def simulate(
    folder: Path,
    scores: Sequence[Sequence[float]],
    *,
    described: Mapping[str, Any] | None = None,
    metrics: Sequence[str] = ("em",),
    groups: Sequence[str] = (),
    secret: bool = False,
    before: str = "",
    **identity: Any,
) -> StoredRecord:
    """A run with the given scores by history, below ``folder/runs``.

    Args:
        folder: of the project.
        scores: of each history's questions.
        described: what the method says of itself.
        metrics: all have the same score; the first is the primary one.
        groups: of the questions of a history, in turn.
        secret: a benchmark whose questions are confidential.
        before: what every answer begins with.
        identity: fields of the record.
    """
    kind = type("Kind", (Secret if secret else Drawn,), {"primary_metric": metrics[0]})
    benchmark = kind(scores, metrics=metrics, groups=groups)
    method = str(identity.get("method", "delta_mem"))
    names: dict[str, Any] = {
        "limited": False,
        "key": "k",
        "config": {},
        "model": "tiny",
        "method": method,
        "writer": "tsw" if method == "delta_mem" else None,
        "bench": "drawn",
        "protocol": "benchmark",
        "context": "none",
        "control": "none",
        "seed": 0,
        **identity,
    }
    shown = (names[n] for n in ("bench", "model", "method", "writer", "context", "control"))
    cell = f"{'__'.join(map(str, shown))}__{names['seed']}".replace("/", "_")
    place = folder / "runs" / cell
    family = FAMILIES.get(method, "textual")
    with SampleStore(place, key="k") as store:
        scored = run(benchmark, Script(benchmark, before=before), store, plan=Plan())
        record = make_record(
            benchmark,
            scored,
            store.lines,
            expected=len(scored),
            cell=CellIdentity(cell=cell, **names),
            path=str(place / RECORD),
            made=made_with(
                described or (OWN if method == "delta_mem" else {"model_fingerprint": "m"}),
                family=family,
            ),
        )
    return StoredRecord(record=record, file=write(record))


def write(record: Record) -> Path:
    """The record, in its own place."""
    return write_json(Path(record.path), record.to_json())
