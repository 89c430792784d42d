"""The record of one cell: a number with its uncertainty, its cost and its provenance.

``record.json`` is written whole or not at all. A record with missing samples is not complete and
never reaches a table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from deltamem_base.faults import InvalidData, check_choice
from deltamem_base.json_text import read_document
from deltamem_base.plain_values import check_name, check_plain
from deltamem_base.typed_json import typed
from deltamem_evaluations.judging.rules import JUDGED, judged_by
from deltamem_evaluations.metrics.likelihood import REFERENCE_NLL
from deltamem_evaluations.metrics.statistics import Metric
from deltamem_evaluations.quantities import Amount, Count, Tree
from deltamem_evaluations.records.environment import Commit
from deltamem_evaluations.records.provenance import Provenance

__all__ = [
    "RECORD",
    "CellIdentity",
    "Cost",
    "Counts",
    "Record",
    "Rescoring",
    "Thinking",
    "read_record",
]

RECORD = "record.json"
"""The file of a run folder that holds it."""
SCHEMA = 2
"""Number of the schema below: files with another are refused."""
NAMES = ("cell", "model", "method", "writer", "bench", "protocol", "context", "control")
"""Fields that are names: of options, or of the run."""


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Number of questions of a run."""

    expected: Count
    """Questions that the run was to answer."""
    scored: Count
    """Questions that it has answers and scores for."""


@dataclass(frozen=True, kw_only=True)
class Thinking:
    """Number of answers with thinking."""

    cut: Count = 0
    """Answers whose finished thinking was taken off before they were scored."""
    unfinished: Count = 0
    """Answers that ended within their thinking and count as none."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Means per question, sizes, and totals of a run; None where nothing was measured."""

    trained_parameters: Count
    state_bytes: Count | None
    """Bytes that a history leaves behind, a mean where histories differ."""
    prompt_tokens: Amount | None
    """Tokens in view when the first token of an answer was generated."""
    new_tokens: Amount | None
    """Generated tokens of an answer."""
    written_tokens: Amount | None
    """Tokens that went into the memory, before the question and after."""
    recalled_units: Amount | None
    """Units that were looked up and shown; None where nothing is looked up."""
    dropped_units: Amount | None
    """Units that were looked up and did not fit in view."""
    write_seconds: Amount | None
    """Seconds of writing a history, divided among its questions."""
    answer_seconds: Amount | None
    tokens_per_second: Amount | None
    """New tokens of all answers over the seconds of answering."""
    wall_seconds: Amount
    """Seconds of the process that wrote the record."""
    peak_memory_mb: Amount
    """Most memory of a process on its GPU, else resident memory, in 2^20 bytes."""

    def named(self, name: str) -> float | None:
        """One cost by the name of its field, as tables of the paper and experiments ask for it.

        Raises:
            InvalidInput: there is no such cost.
        """
        check_choice("a cost", name, [f.name for f in fields(self)])
        value: float | None = getattr(self, name)
        return value


@dataclass(frozen=True, kw_only=True)
class Rescoring(Commit):
    """The metrics of the stored answers by a later scorer, with the commit of its code."""

    date: str
    """Time in ISO 8601, UTC."""
    fingerprint: str
    """Fingerprint of the benchmark that scored."""
    metrics: Mapping[str, Metric]
    thinking: Thinking
    judge: str | None = None
    """The model that judged, and whose prompts it was given; None where nobody judged."""


@dataclass(frozen=True, kw_only=True)
class CellIdentity:
    """One (model, method, benchmark, context, control, seed), before anything came out."""

    cell: str
    """Name of the run: what it is, and the beginning of its key."""
    key: str
    """Hash of all that decides its answers; every stored line has it."""
    model: str
    """Option of ``model=``; likewise ``method``, ``writer``, ``bench``, ``control``."""
    method: str
    writer: str | None
    """None where a method has no writer."""
    bench: str
    protocol: str
    context: str
    """``visible``, ``part`` or ``none``: how much of the history the backbone still saw."""
    control: str
    seed: int
    limited: bool
    """Whether only the first samples were asked: not comparable with a full run."""
    config: Tree
    """The whole composed configuration of the run, places left out."""


@dataclass(frozen=True, kw_only=True)
class Record(CellIdentity):
    """A cell with what came out."""

    fingerprint: str
    """Hash of the benchmark's protocol and data; numbers compare only where it is equal."""
    complete: bool
    """Whether all questions are answered and scored."""
    n: Counts
    metrics: Mapping[str, Metric]
    """Mean with its interval by name of the metric."""
    primary_metric: str
    """Name of the metric that stands in tables."""
    cost: Cost
    deviations: tuple[str, ...]
    """Sentences on what differs from the benchmark, for footnotes."""
    provenance: Provenance
    date: str
    """Time in ISO 8601, UTC."""
    path: str
    """Where the record was written, as seen from where the run was started."""
    schema: int = SCHEMA
    thinking: Thinking = field(default_factory=Thinking)
    rescored: tuple[Rescoring, ...] = ()
    """Later scorings of the same answers, oldest first."""

    @property
    def primary(self) -> Metric | None:
        """The metric that stands in tables; None where no question has it."""
        return self.metrics.get(self.primary_metric)

    @property
    def measured(self) -> dict[str, Metric]:
        """Every metric by name, the newest scores of each judge as ``judged, by NAME``."""
        judged = {
            judged_by(entry.judge, name): metric
            for entry in self.rescored
            if entry.judge is not None
            for name, metric in entry.metrics.items()
            if name.startswith(JUDGED)
        }
        return {**self.metrics, **judged}

    @property
    def weights_sha(self) -> str | None:
        """sha256 of the trained weights; None where the method has none."""
        return self.provenance.method.sha

    @property
    def settings(self) -> dict[str, object]:
        """Settings that a row of the paper may ask for, by the paper's names."""
        return {
            **self.provenance.method.settings,
            "model": self.model,
            "method": self.method,
            "writer": self.writer,
            "context": self.context,
            "protocol": self.protocol,
        }

    def to_json(self) -> dict[str, object]:
        """The record as plain values."""
        return asdict(self)


def read_record(path: Path) -> Record:
    """The record of a file.

    Raises:
        InvalidData: an older schema, no record, or a damaged one.
    """
    try:
        content = read_document(path, dict)
        if content.get("schema") != SCHEMA:
            found = content.get("schema")
            raise InvalidData(
                f"{path} is not a record of schema {SCHEMA} (its schema is {found!r:.20})"
            )
        record = typed(content, Record, where=str(path))
        for key in NAMES:
            if (name := getattr(record, key)) is not None:
                check_name(name, where=str(path), key=key)
        check_plain(record.config, where=str(path))
        _check_shares(record, where=str(path))
        return record
    except InvalidData as fault:
        raise InvalidData(
            f"{fault}: run the same `deltamem eval` again, which writes a new one"
        ) from None


def _check_shares(record: Record, *, where: str) -> None:
    """Refuse a mean above 1 of anything but the one metric that is no share.

    Raises:
        InvalidData: there is one.
    """
    scorings = [record.metrics, *(entry.metrics for entry in record.rescored)]
    for name, metric in (item for metrics in scorings for item in metrics.items()):
        tops = (metric.mean, *metric.ci95, *(g.hi for g in metric.groups.values()))
        if name != REFERENCE_NLL and max(tops) > 1:
            raise InvalidData(f"{where}: {name} reaches {max(tops):g}; it must be at most 1")
