"""``deltamem report``: the tables, from complete records only."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from deltamem_cli.console import Console
from deltamem_cli.errors import UsageError

__all__ = ["report"]

TITLE = "Results"


def report(folders: Sequence[Path], *, console: Console, out: Path | None, with_runs: bool) -> None:
    """Print the table of all complete records and write it beside them.

    Args:
        folders: where records lie; ``results`` when none is named.
        console: prints.
        out: the file to write; None is ``README.md`` in the first folder.
        with_runs: look into ``runs`` too, limited runs included.

    Raises:
        UsageError: a folder that is not there, or no record in any.
    """
    from evaluations.record import write_text
    from evaluations.report import collect, markdown, results_table

    searched = list(folders) or [Path("results")]
    missing = [f for f in folders if not f.is_dir()]
    if missing:
        raise UsageError(f"{missing[0]} is not a folder of records")
    searched += [Path("runs")] if with_runs else []
    records, left_out = collect(searched)
    for sentence in left_out:
        console.note(f"note: {sentence}")
    if not records:
        hint = "" if with_runs else "; `deltamem report --runs` looks into runs/ as well"
        where = ", ".join(map(str, searched))
        raise UsageError(f"no complete record in {where}: run `deltamem eval` first{hint}")
    text = markdown(results_table(records), title=TITLE)
    console.json({"rows": [record.to_json() for record in records]})
    console.result(text)
    console.wrote(write_text(out or searched[0] / "README.md", text))
