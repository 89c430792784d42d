"""Which of our records stand beside a row of the paper.

A record counts where it has no control, all samples, the paper's protocol, and the settings of the
row. What a row does not say of an adapter is the paper's default, and where the paper's protocol
has questions and answers write, a run that kept them from it does not count. All numbers of a row
come from one configuration (weights, settings and seed): the one that covers most of its columns,
the newest where several do. The score plays no part in the choice.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from deltamem_evaluations.paper.numbers import Column, Row, Table
from deltamem_evaluations.records.record import Record

__all__ = ["Counterpart", "columns_of", "counterpart", "matches"]

DEFAULTS = {"heads": "qo", "layers": "all", "rank": "8"}
"""Settings of the paper's adapters (its appendix A)."""
PROTOCOL = "paper"
IN_VIEW = "visible"
"""The context in which the paper's protocol has questions and answers write."""
NATURAL = "natural"
"""The context that a method has in the paper's tables."""


@dataclass(frozen=True, kw_only=True)
class Counterpart:
    """Our records for one row of the paper."""

    records: Mapping[str, Record]
    """Name of a column -> the record that has it."""
    others: int = 0
    """Further configurations that match as well."""


def columns_of(table: Table) -> dict[str, Column]:
    """All columns of a table and of its average, by name."""
    names = dict.fromkeys([*(c.name for c in table.columns), *table.average_of])
    return {name: table.measured_by[name] for name in names}


def counterpart(
    records: Sequence[Record], row: Row, columns: Mapping[str, Column]
) -> Counterpart | None:
    """Our records for a row; None where there are none."""
    configurations: dict[str, list[Record]] = {}
    for record in records:
        if matches(record, row.settings):
            configurations.setdefault(_configuration(record), []).append(record)
    found = []
    for group in configurations.values():
        chosen = {
            name: newest for name, c in columns.items() if (newest := _newest(group, c)) is not None
        }
        if chosen:
            found.append(chosen)
    if not found:
        return None
    best = max(found, key=lambda chosen: (len(chosen), max(r.date for r in chosen.values())))
    return Counterpart(records=best, others=len(found) - 1)


def matches(record: Record, settings: Mapping[str, str]) -> bool:
    """Whether a record is a whole, uncontrolled run with the settings of a row."""
    if record.control != "none" or record.limited or not record.complete:
        return False
    method, has = record.provenance.method, record.settings
    in_paper = record.protocol == PROTOCOL and record.context == IN_VIEW
    if in_paper and method.write_answers is False:
        return False
    defaults = DEFAULTS if method.adapter_sha else {}
    wanted = {**defaults, **settings}
    context = wanted.pop("context", record.context)
    if context == NATURAL:
        context = str(method.natural_context)
    return record.context == context and all(
        str(has.get(name)) == str(value) for name, value in wanted.items()
    )


def _configuration(record: Record) -> str:
    made = record.provenance
    content = [asdict(made.method), asdict(made.backbone), record.seed]
    return json.dumps(content, sort_keys=True)


def _newest(group: Sequence[Record], column: Column) -> Record | None:
    fitting = [r for r in group if _measures(r, column)]
    return max(fitting, key=lambda r: r.date, default=None)


def _measures(record: Record, column: Column) -> bool:
    if column.bench is None:
        return column.cost is not None and record.cost.named(column.cost) is not None
    if record.bench != column.bench or record.protocol != PROTOCOL:
        return False
    metric = record.metrics.get(column.metric or record.primary_metric)
    return metric is not None and (column.group is None or column.group in metric.groups)
