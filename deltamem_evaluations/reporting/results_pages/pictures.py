"""The pictures of a folder of published results, as SVG whose bytes are the same every time."""

from __future__ import annotations

from dataclasses import dataclass

from deltamem_evaluations.figures.forest import Line, draw_forest, draw_lines
from deltamem_evaluations.reporting.results_pages.capacities import capacities
from deltamem_evaluations.reporting.results_pages.folder import PublishedFolder

__all__ = ["FOLDER", "Picture", "pictures_of"]

FOLDER = "figures"
"""The folder beside the tables that holds them."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One figure."""

    name: str
    """Name of its file, without suffix."""
    title: str
    svg: str
    section: str
    """The name of the table that it belongs to."""


def pictures_of(folder: PublishedFolder) -> list[Picture]:
    """The scores of each experiment, and its curves by the number of facts."""
    found = []
    for experiment in folder.experiments:
        for number, column in enumerate(experiment.columns, 1):
            places = [(row, folder.place(experiment, row, column)) for row in experiment.rows]
            rows = [(row, e) for row, place in places if place.runs and (e := place.estimate())]
            if not rows or experiment.measures:
                continue
            found.append(
                Picture(
                    name=f"{experiment.name}-{number}",
                    title=f"{experiment.name}: {column}",
                    svg=draw_forest(rows, unit="%"),
                    section=experiment.name,
                )
            )
        if curves := capacities(folder, experiment):
            found.append(
                Picture(
                    name=f"{experiment.name}-curves",
                    title=f"{experiment.name}: accuracy against the number of facts",
                    svg=draw_lines(
                        [Line(label=row.row, points=row.points) for row in curves],
                        across="facts",
                        unit="%",
                    ),
                    section=f"{experiment.name}-bits",
                )
            )
            found.append(
                Picture(
                    name=f"{experiment.name}-bits",
                    title=f"{experiment.name}: fitted bits of a state",
                    svg=draw_forest([(row.row, row.bits) for row in curves], unit="bits"),
                    section=f"{experiment.name}-bits",
                )
            )
    return found
