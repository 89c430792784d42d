"""The tables, pictures and page of a folder of published results, and a check of the folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deltamem_base.faults import Fault, Unavailable
from deltamem_cli.runs.stored_benchmark import stored_benchmark
from deltamem_cli.settings.identity import content_hash

if TYPE_CHECKING:
    from deltamem_evaluations.benchmark import Benchmark
    from deltamem_evaluations.records.record import Record
    from deltamem_evaluations.records.stored import StoredRecord
    from deltamem_evaluations.reporting.results_pages import PublishedFolder
    from deltamem_evaluations.sample import Sample

__all__ = ["faults_of_folder", "is_published", "rendered"]

TABLES, PAGE = "README.md", "report.html"


def is_published(folder: Path) -> bool:
    """Whether a folder holds results as `deltamem publish` leaves them."""
    from deltamem_evaluations.records.publication import PUBLICATION

    return any(folder.glob(f"*/{PUBLICATION}"))


def rendered(folder: PublishedFolder) -> dict[str, str]:
    """Name below the folder -> text: the tables, a page, and a file for each picture."""
    from deltamem_evaluations.reporting.as_markdown import markdown_report
    from deltamem_evaluations.reporting.results_pages import (
        pictures_of,
        published_page,
        published_report,
    )
    from deltamem_evaluations.reporting.results_pages.pictures import FOLDER

    report, pictures = published_report(folder), pictures_of(folder)
    files = {f"{FOLDER}/{picture.name}.svg": picture.svg for picture in pictures}
    shown = "\n".join(f"![{p.title}]({FOLDER}/{p.name}.svg)" for p in pictures)
    below = f"\n## Pictures\n\n{shown}\n" if shown else ""
    how = (
        f"\nMade by `deltamem report results/{folder.path.name}` from the records in this folder.\n"
    )
    files[TABLES] = markdown_report(report) + below + how
    files[PAGE] = published_page(report, pictures)
    return files


def faults_of_folder(folder: PublishedFolder, files: Mapping[str, str]) -> Iterator[str]:
    """Sentences on runs that do not hold together, and on files that are not what is rendered.

    Args:
        folder: of published results.
        files: of :func:`rendered`.
    """
    benchmarks = _Benchmarks()
    for name, stored in folder.runs.items():
        if name != stored.file.parent.name:
            yield f"{stored.file.parent}: its record is of {name}"
        for fault in _faults_of_run(stored, benchmarks):
            yield f"{stored.file.parent}: {fault}"
    for experiment in folder.experiments:
        for cell in experiment.cells:
            if cell.cell is not None and cell.cell not in folder.runs:
                yield f"{folder.path}: {experiment.name} has {cell.cell}, which is not here"
    for name, text in files.items():
        path = folder.path / name
        if not path.is_file() or path.read_bytes() != text.encode():
            yield f"{path} is not what is rendered from the records: deltamem report {folder.path}"


def _faults_of_run(stored: StoredRecord, benchmarks: _Benchmarks) -> Iterator[str]:
    from deltamem_evaluations.records.stored import Run
    from deltamem_evaluations.records.verification import faults_of_published

    try:
        said = stored.publication
        assert said is not None  # or it would not be of the folder
        benchmark, samples = benchmarks.of(stored.record)
        yield from faults_of_published(Run.of(stored), said, benchmark, samples=samples)
    except Fault as fault:
        yield str(fault)


class _Benchmarks:
    """The benchmark of each record, made and loaded once for all records with its settings."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Benchmark[Any], list[Sample] | None]] = {}

    def of(self, record: Record) -> tuple[Benchmark[Any], list[Sample] | None]:
        """The benchmark, and its questions; None where its data are not on this machine."""
        key = content_hash([record.bench, record.config.get("bench")])
        if key not in self._known:
            benchmark = stored_benchmark(record).benchmark
            try:
                benchmark.load()
                self._known[key] = benchmark, list(benchmark.samples())
            except Unavailable:
                self._known[key] = benchmark, None
        return self._known[key]
