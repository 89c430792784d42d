"""``deltamem parity``: agreement with the authors' implementation, case by case."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deltamem_cli.errors import OK, VERDICT_NOT_MET
from deltamem_cli.options import Json, make_console
from deltamem_cli.screen.console import Console

if TYPE_CHECKING:
    from deltamem.parity import CaseResult

__all__ = ["parity"]


def parity(
    folder: Annotated[
        Path, typer.Argument(help="A folder of cases, or the folder of a single case.")
    ],
    as_json: Json = False,
) -> None:
    """Check agreement with the authors' implementation on stored cases."""
    raise typer.Exit(_parity(folder, make_console(as_json=as_json)))


def _parity(folder: Path, console: Console) -> int:
    """Run every case of a folder; the exit code says whether all agree.

    Raises:
        Unavailable: no case there.
        InvalidInput: a damaged case.
    """
    from deltamem.parity import TOLERANCE, run_folder

    results = run_folder(folder)
    console.json({"cases": [_row(result) for result in results]})
    width = max(len(result.name) for result in results)
    console.result(f"{'case':{width}}  attention  logits   states   gradients")
    for result in results:
        gradients = "–" if result.gradients is None else f"{result.gradients:.1e}"
        console.result(
            f"{result.name:{width}}  {result.attention:9}  {result.logits:.1e}  "
            f"{result.states:.1e}  {gradients:9}  {'pass' if result.passed else 'FAIL'}"
        )
    passed = sum(result.passed for result in results)
    console.result(f"{passed} of {len(results)} agree to {TOLERANCE:g}")
    return OK if passed == len(results) else VERDICT_NOT_MET


def _row(result: CaseResult) -> dict[str, object]:
    return {**vars(result), "passed": result.passed}
