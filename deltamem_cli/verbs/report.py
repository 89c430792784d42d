"""``deltamem report``: the tables, from complete records only."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from deltamem_cli.errors import OK, VERDICT_NOT_MET, UsageError
from deltamem_cli.options import Json, Quiet, make_console
from deltamem_cli.screen.console import Console

if TYPE_CHECKING:
    from deltamem_evaluations.records.record import Record
    from deltamem_evaluations.reporting import Report

__all__ = ["FORMATS", "report"]

FORMATS = {
    "markdown": "README.md",
    "latex": "report.tex",
    "csv": "report.csv",
    "json": "report.json",
    "html": "report.html",
}
"""Format -> the file it is written to, in the first folder."""
PAGE = "html"
"""Written, not printed."""
SUFFIXES = {Path(name).suffix: kind for kind, name in FORMATS.items()}


def report(
    folders: Annotated[
        Optional[list[Path]],
        typer.Argument(
            metavar="[FOLDER]...", help="Folders that hold records; results/ by default."
        ),
    ] = None,
    runs: Annotated[bool, typer.Option("--runs", help="Search runs/ as well.")] = False,
    kind: Annotated[
        Optional[str],
        typer.Option(
            "--format",
            help="markdown, latex, csv, json or html; by default, the suffix of --out decides.",
        ),
    ] = None,
    out: Annotated[
        Optional[Path],
        typer.Option(
            "--out",
            help="File to write; by default README.md, report.tex, ... in the first folder.",
        ),
    ] = None,
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="Check published results and the pages made from them; write nothing."
        ),
    ] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Put all complete records into tables, beside the paper's numbers: deltamem report runs.

    For a folder of published results (deltamem publish) it writes README.md, figures/ and a page.
    """
    console = make_console(quiet=quiet, as_json=as_json)
    if check or (kind is None and out is None and not runs and _all_published(folders)):
        raise typer.Exit(_published(folders or [], console, check=check))
    _report(folders or [], console, out=out, kind=kind, with_runs=runs)


def _all_published(folders: Sequence[Path] | None) -> bool:
    from deltamem_cli.publishing.rendering import is_published

    return bool(folders) and all(map(is_published, folders or []))


def _published(folders: Sequence[Path], console: Console, *, check: bool) -> int:
    """Render folders of published results, or say what does not hold together in them.

    Returns:
        3 where a check found something.

    Raises:
        UsageError: a folder that holds no published results.
    """
    from deltamem_base.whole_files import write_text
    from deltamem_cli.publishing.rendering import faults_of_folder, is_published, rendered
    from deltamem_evaluations.reporting.results_pages import published_report, read_folder

    for path in folders:
        if not is_published(path):
            raise UsageError(
                f"{path} holds no published results: make some with `deltamem publish RUN... "
                f"{path}`"
            )
    found: list[str] = []
    for path in folders:
        folder = read_folder(path)
        files = rendered(folder)
        if check:
            found += faults_of_folder(folder, files)
            continue
        if (width := console.width) is None:
            console.result(files["README.md"])
        else:
            console.result(_markdown(published_report(folder), width))
        console.wrote(*(write_text(path / name, text) for name, text in files.items()))
    console.json({"folders": [str(path) for path in folders], "faults": found})
    for sentence in found:
        console.result(sentence)
    if check and not found:
        console.result(f"{', '.join(map(str, folders))}: all runs hold together")
    return VERDICT_NOT_MET if found else OK


def _report(
    folders: Sequence[Path],
    console: Console,
    *,
    out: Path | None,
    kind: str | None,
    with_runs: bool,
) -> None:
    """Print the report on all complete records and write it beside them.

    Args:
        folders: where records lie; ``results`` when none is named.
        console: prints.
        out: the file to write; None is the format's own in the first folder.
        kind: one of :data:`FORMATS`; None is what ``out`` ends with, else Markdown.
        with_runs: look into ``runs`` too, limited runs included.

    Raises:
        UsageError: a folder that is not there, no record in any, or an unknown format.
    """
    from deltamem_base.whole_files import write_text
    from deltamem_cli.paper_file import paper_file
    from deltamem_evaluations.paper.numbers import Paper
    from deltamem_evaluations.reporting import SampleReader, attribute, collect, make_report
    from deltamem_evaluations.reporting.as_json import json_content

    chosen = _format(kind, out)
    searched = list(folders) or [Path("results")]
    missing = [f for f in folders if not f.is_dir()]
    if missing:
        raise UsageError(f"{missing[0]} is not a folder of records")
    searched += [Path("runs")] if with_runs else []
    stored, left_out = collect(searched)
    for sentence in left_out:
        console.note(f"note: {sentence}")
    if not stored:
        hint = "" if with_runs else "; `deltamem report --runs` looks into runs/ as well"
        where = ", ".join(map(str, searched))
        raise UsageError(f"no complete record in {where}: run `deltamem eval` first{hint}")
    reader = SampleReader()
    attributions = attribute(stored, reader=reader)
    made = make_report(
        stored,
        paper=Paper.read(paper_file()),
        reader=reader,
        attributions=attributions,
        command=_command,
        notes=left_out,
    )
    if chosen == PAGE:
        from deltamem_evaluations.reporting.as_html import html_page

        text = html_page(made, attributions=attributions, reader=reader)
    else:
        text = RENDERERS[chosen](made)
        is_table = RENDERERS[chosen] is _markdown
        console.result(_markdown(made, console.width) if is_table else text)
    console.json(json_content(made))
    console.wrote(write_text(out or searched[0] / FORMATS[chosen], text))


def _command(record: Record, what: str) -> str:
    """The command for what is missing beside a run; in general words where a name is unknown."""
    from deltamem_base.faults import Fault, first_line
    from deltamem_cli.runs.missing_runs import eval_command
    from deltamem_evaluations.reporting.attribution import outlined_command

    try:
        return eval_command(record, what)
    except Fault as fault:
        return f"{outlined_command(record, what)} ({first_line(fault)})"


def _format(kind: str | None, out: Path | None) -> str:
    """The format that was named, else that of the file's name, else Markdown.

    Raises:
        UsageError: there is no such format, or the file's name tells none or another.
    """
    told = None if out is None else SUFFIXES.get(out.suffix.lower())
    if kind is not None:
        if kind not in FORMATS:
            raise UsageError(f"--format is '{kind}'; choose one of {', '.join(FORMATS)}")
        if told not in (None, kind):
            raise UsageError(f"--format is {kind}, but {out} has the suffix of {told}")
        return kind
    if out is None:
        return next(iter(FORMATS))
    if told is None:
        raise UsageError(
            f"{out} does not say its format: let it end with {', '.join(SUFFIXES)}, or name one "
            f"with --format ({', '.join(FORMATS)})"
        )
    return told


def _markdown(report: Report, width: int | None = None) -> str:
    from deltamem_evaluations.reporting.as_markdown import markdown_report

    return markdown_report(report, width=width)


def _latex(report: Report) -> str:
    from deltamem_evaluations.reporting.as_latex import latex

    return latex(report)


def _csv(report: Report) -> str:
    from deltamem_evaluations.reporting.as_csv import csv_lines

    return csv_lines(report)


def _json(report: Report) -> str:
    from deltamem_evaluations.reporting.as_json import json_content

    return json.dumps(json_content(report), indent=2, ensure_ascii=False) + "\n"


RENDERERS: dict[str, Callable[[Report], str]] = {
    "markdown": _markdown,
    "latex": _latex,
    "csv": _csv,
    "json": _json,
}
