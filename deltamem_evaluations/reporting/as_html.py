"""One page that needs nothing else: opens from disk, without a network, with or without script."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path

from deltamem_base.counts import counted
from deltamem_base.printable import printable
from deltamem_evaluations.figures.plots import Drawing, draw_all
from deltamem_evaluations.records.stored import StoredRecord
from deltamem_evaluations.reporting.as_json import json_content
from deltamem_evaluations.reporting.attribution import Attribution
from deltamem_evaluations.reporting.collection import SampleReader
from deltamem_evaluations.reporting.flips import Pair, flip_pairs
from deltamem_evaluations.reporting.memory_maps import memory_maps
from deltamem_evaluations.reporting.tables import Cell, Report

__all__ = ["html_page", "tables_page"]

FOLDER = Path(__file__).parent / "page"


def html_page(report: Report, *, attributions: Sequence[Attribution], reader: SampleReader) -> str:
    """The page: tables, figures, flips, heat-maps, and the records folded away.

    Args:
        report: what is said.
        attributions: of the report's records; they say which runs are set against each other.
        reader: of samples.
    """
    maps, faults = memory_maps(report.records)
    records = json_content(report)["rows"]
    return _rendered(
        report,
        drawings=draw_all(report.records, attributions),
        pairs=flip_pairs(report.records, attributions, reader=reader),
        maps=maps,
        notes=[*report.notes, *faults],
        details={r["cell"]: json.dumps(r, indent=1, ensure_ascii=False) for r in records},
    )


def tables_page(report: Report, drawings: Sequence[Drawing]) -> str:
    """The page of a report whose records lie beside it: tables and figures alone."""
    return _rendered(report, drawings=drawings, pairs=[], maps=[], notes=report.notes, details={})


def _rendered(report: Report, *, pairs: Sequence[Pair], **parts: object) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    groups = {group for pair in pairs for flip in pair.shown for group in flip.groups}
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests["numeric"] = _is_numeric
    environment.filters |= {"anchor": _anchor, "short": _short, "digest": _digest}
    environment.finalize = _shown
    return environment.get_template("report.html").render(
        report=report,
        summary=_summary(report.records),
        pairs=pairs,
        groups={group: number for number, group in enumerate(sorted(groups))},
        open_tables=[t for t in report.tables if not t.folded],
        folded_tables=[t for t in report.tables if t.folded],
        **parts,
    )


def _is_numeric(cell: object) -> bool:
    return isinstance(cell, Cell) and cell.estimate is not None


def _shown(value: object) -> object:
    """Text with its control characters spelt; markup of our own stays as it is."""
    return printable(value) if type(value) is str else value


def _anchor(text: str) -> str:
    """Letters, digits and dashes."""
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-").lower()


def _digest(names: Sequence[str]) -> str:
    """The same in every report, so that a link to it lasts."""
    return hashlib.sha256(json.dumps(names).encode()).hexdigest()[:12]


def _short(title: str) -> str:
    """The part of a title before its details."""
    return re.split(r"[:,(]", title)[0].strip()


def _summary(stored: Sequence[StoredRecord]) -> str:
    records = [s.record for s in stored]
    parts = {
        "model": {r.model for r in records},
        "method": {r.method for r in records},
        "benchmark": {r.bench for r in records},
    }
    counts = [counted(len(names), what) for what, names in parts.items()]
    answered = sum(r.n.scored for r in records)
    return f"{counted(len(records), 'record')}: {', '.join(counts)}; {counted(answered, 'answer')}"
