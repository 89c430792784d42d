"""Figures of a report as SVG text: scores, parts of a gain, numbers of facts, quality and cost."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from typing import Any

from deltamem_evaluations.figures.curves import by_number
from deltamem_evaluations.figures.inline_svg import INK, inline_svg
from deltamem_evaluations.records.record import Record
from deltamem_evaluations.records.stored import StoredRecord
from deltamem_evaluations.reporting.attribution import Attribution
from deltamem_evaluations.reporting.naming import column_titles, row_names
from deltamem_evaluations.reporting.results import score

__all__ = ["COLOURS", "LEGEND", "MARKERS", "STYLE", "WIDTH", "Drawing", "draw_all"]

COLOURS = ("#3b82d6", "#e07b39", "#3a9d5d", "#b65fc4", "#c94f5d", "#8a7a5c", "#2fa3a8", "#a59a1c")
"""Between light and dark, so that they stand out on either page."""
MUTED = "#8b8f97"
MARKERS = "os^Dv*PX"
STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "deltamem",
    "text.parse_math": False,
    "font.family": "DejaVu Sans",
    "font.size": 10,
    **{f"{part}.color": INK for part in ("text", "xtick", "ytick")},
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
NUMBERED = re.compile(r"(.+)/\d+")
WIDTH = 7.2
"""Inches."""
APART = 0.05
"""Octaves between the points of two rows at one number."""

LEGEND = "What the curves and points are"

Look = Mapping[str, object]
"""Colour, marker and line, as matplotlib names them."""
Titles = Mapping[tuple[str, str], tuple[str, Record]]


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A figure: markup for a page, and what it shows."""

    title: str
    svg: str
    section: str
    """The name of the table that it belongs to."""


def draw_all(stored: Sequence[StoredRecord], attributions: Sequence[Attribution]) -> list[Drawing]:
    """All figures for which there is something to draw."""
    records = [s.record for s in stored]
    one_model = len({r.model for r in records}) == 1
    names = {cell: _short(label[one_model:]) for cell, label in row_names(records).items()}
    by_name = dict(zip(dict.fromkeys(names.values()), _styles(), strict=False))
    looks = {r.cell: by_name[names[r.cell]](r) for r in records}
    titles = column_titles(records)
    found, keys = [], dict[str, dict[str, Look]]()
    for (bench, fingerprint), (title, _) in titles.items():
        alike = [r for r in records if (r.bench, r.fingerprint) == (bench, fingerprint)]
        shown = [r for r in alike if r.primary_metric in r.metrics]
        if not shown:
            continue
        found.append(
            ("scores", f"{title} (grey: controls and limited runs)", _scores(shown, names))
        )
        plain = [r for r in shown if r.control == "none"]
        prefixes = _prefixes(shown)
        found += [
            ("scores", f"{title} by number: {prefix}", _numbers(shown, looks, prefix))
            for prefix in prefixes
        ]
        if prefixes:
            keys.setdefault("scores", {}).update({names[r.cell]: looks[r.cell] for r in shown})
        if len(plain) > 1:
            dots = {r.cell: {**looks[r.cell], "linestyle": "none"} for r in plain}
            found.append(("costs", f"{title}: quality against cost", _costs(plain, dots)))
            keys.setdefault("costs", {}).update({names[r.cell]: dots[r.cell] for r in plain})
    whole = [a for a in attributions if a.adapter is not None and a.memory is not None]
    if whole:
        labels = [_against(one, names, titles) for one in whole]
        found.append(
            ("attribution", "Parts of the gain, with 95 % intervals", _parts(whole, labels))
        )
    legends = [(section, LEGEND, _legend(by_row)) for section, by_row in keys.items()]
    return [_drawing(i, *each) for i, each in enumerate([*legends, *found])]


def _drawing(number: int, section: str, title: str, svg: str) -> Drawing:
    markup = inline_svg(svg, prefix=f"f{number}-", label=title)
    return Drawing(title=title, svg=markup, section=section)


def _short(label: Sequence[str]) -> str:
    """A row in one line."""
    *method, context, control = label
    return f"{' '.join(method)}, context {context}" + (f", control {control}" if control else "")


def _against(one: Attribution, names: Mapping[str, str], titles: Titles) -> str:
    record = one.own.record
    title, _ = titles[record.bench, record.fingerprint]
    return f"{title}\n{names[record.cell]}\nagainst {one.control}"


@contextmanager
def _axes(height: float, columns: int = 1) -> Iterator[tuple[Any, Any, io.StringIO]]:
    """A figure whose SVG is in the text when the block ends."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    text = io.StringIO()
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        axes = figure.subplots(1, columns, sharey=True, squeeze=False)[0]
        for each in axes:
            each.grid(visible=True, alpha=0.2, color=INK)
        yield figure, axes if columns > 1 else axes[0], text
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})


def _arms(value: float, low: float | None, high: float | None) -> list[list[float]]:
    """The arms of an interval in the shape that matplotlib wants; 0 where there is no interval."""
    if low is None or high is None or not math.isfinite(low + high):
        return [[0.0], [0.0]]
    return [[max(value - low, 0.0)], [max(high - value, 0.0)]]


def _scores(records: Sequence[Record], names: Mapping[str, str]) -> str:
    ordered = sorted(records, key=lambda r: names[r.cell], reverse=True)
    with _axes(0.9 + 0.28 * len(ordered)) as (_, axes, text):
        for y, record in enumerate(ordered):
            estimate = score(record)
            if estimate is None:
                continue
            plain = record.control == "none" and not record.limited
            axes.errorbar(
                [estimate.value],
                [y],
                xerr=_arms(estimate.value, estimate.low, estimate.high),
                fmt="o",
                color=COLOURS[0] if plain else MUTED,
                capsize=3,
            )
        axes.set_yticks(range(len(ordered)), [names[r.cell] for r in ordered])
        axes.set_ylim(-0.6, len(ordered) - 0.4)
        axes.set_xlabel("%")
    return text.getvalue()


def _prefixes(records: Sequence[Record]) -> list[str]:
    """Groups whose names end with a number, where there are several of a kind."""
    found: dict[str, set[str]] = {}
    for record in records:
        for name in record.metrics[record.primary_metric].groups:
            if match := NUMBERED.fullmatch(name):
                found.setdefault(match[1], set()).add(name)
    return [prefix for prefix, members in found.items() if len(members) > 1]


def _numbers(records: Sequence[Record], looks: Mapping[str, Look], prefix: str) -> str:
    with _axes(3.6) as (_, axes, text):
        for i, record in enumerate(records):
            points = by_number(record, prefix)
            aside = 2.0 ** (APART * (i - (len(records) - 1) / 2))
            means = [100 * group.mean for _, group in points]
            low = [100 * max(g.mean - g.lo, 0) for _, g in points]
            high = [100 * max(g.hi - g.mean, 0) for _, g in points]
            x = [number * aside for number, _ in points]
            axes.errorbar(x, means, yerr=[low, high], capsize=2, **looks[record.cell])
        numbers = sorted({n for record in records for n, _ in by_number(record, prefix)})
        axes.set_xscale("log", base=2)
        axes.set_xticks(numbers, [str(n) for n in numbers])
        axes.minorticks_off()
        axes.set(xlabel=f"{prefix}/N", ylabel="%")
    return text.getvalue()


def _costs(records: Sequence[Record], looks: Mapping[str, Look]) -> str:
    measures: dict[str, Callable[[Record], float]] = {
        "tokens in prompt": lambda r: r.cost.prompt_tokens or 0,
        "seconds per question, writing included": lambda r: (
            (r.cost.write_seconds or 0) + (r.cost.answer_seconds or 0)
        ),
    }
    with _axes(3.6, columns=len(measures)) as (_, axes, text):
        for each, (label, measure) in zip(axes, measures.items(), strict=True):
            for record in records:
                estimate = score(record)
                if estimate is None:
                    continue
                arms = _arms(estimate.value, estimate.low, estimate.high)
                each.errorbar([measure(record)], [estimate.value], yerr=arms, **looks[record.cell])
            each.set_xlabel(label)
            each.set_xlim(left=0)
        axes[0].set_ylabel("%")
    return text.getvalue()


def _parts(attributions: Sequence[Attribution], labels: Sequence[str]) -> str:
    with _axes(1.2 + 0.62 * len(attributions)) as (figure, axes, text):
        for y, one in enumerate(reversed(attributions)):
            kinds = (("adapter part", one.adapter, -0.12), ("memory part", one.memory, 0.12))
            for (kind, found, shift), colour in zip(kinds, COLOURS[1::-1], strict=True):
                assert found is not None
                low, high = (100 * end for end in found.ci95)
                arms = _arms(100 * found.effect, low, high)
                look = {"fmt": "o", "color": colour, "capsize": 3, "label": None if y else kind}
                axes.errorbar([100 * found.effect], [y + shift], xerr=arms, **look)
        axes.axvline(0, color=INK, linewidth=0.8)
        axes.set_yticks(range(len(labels)), list(reversed(labels)), fontsize=9)
        axes.set_ylim(-0.6, len(labels) - 0.4)
        axes.set_xlabel("points of %")
        figure.legend(loc="outside lower left", frameon=False, ncols=2, fontsize=9)
    return text.getvalue()


def _styles() -> Iterator[Callable[[Record], dict[str, object]]]:
    """A colour and a marker for each in turn; dashed where a run is a control."""
    for number in cycle(range(len(COLOURS) * len(MARKERS))):
        colour = COLOURS[number % len(COLOURS)]
        marker = MARKERS[(number + number // len(COLOURS)) % len(MARKERS)]

        def style(record: Record, colour: str = colour, marker: str = marker) -> dict[str, object]:
            dashed = "-" if record.control == "none" else ":"
            return {"color": colour, "marker": marker, "linestyle": dashed, "linewidth": 1.6}

        yield style


def _legend(looks: Mapping[str, Look]) -> str:
    """One for all curves of a kind: a row has the same look in each of them."""
    with _axes(0.1 + 0.24 * len(looks)) as (_, axes, text):
        for name, look in looks.items():
            axes.plot([], [], label=name, **look)
        axes.set_axis_off()
        axes.legend(loc="center left", frameon=False)
    return text.getvalue()
