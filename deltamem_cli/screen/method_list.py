"""``deltamem list methods``: what each trains, what it keeps of a history, what stays in view."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from deltamem_cli.runs.requests import TrainingRequest
from deltamem_cli.runs.sizes import trained_parameters
from deltamem_cli.screen.console import Console
from deltamem_cli.settings.composed import Composed
from deltamem_cli.settings.groups import options
from deltamem_cli.settings.job import run_config

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["list_methods"]

IN_VIEW = {"visible": "the history", "part": "a part of the history", "none": "the question"}
"""Natural context of a method -> the part of the text that its prompt holds."""


def list_methods(
    overrides: Sequence[str], *, console: Console, about: Callable[[str, str], str]
) -> None:
    """Print all methods for one backbone; its weights are not needed.

    Args:
        overrides: such as ``model=qwen3-4b`` or ``writer=msw``.
        console: where to.
        about: the comment of an option, by group and name.
    """
    rows: list[dict[str, object]] = []
    empty: list[PreTrainedModel] = []
    for name in options("method"):
        words = [*overrides, f"method={name}"]
        row = run_config("train", partial(_row, name, empty), words)
        rows.append({**row, "about": about("method", name)})
    console.json({"rows": rows})
    for row in rows:
        count = row["trained_parameters"]
        trained = f"{count:,} trained parameters" if count else "nothing trained"
        console.result(f"{row['name']}  ({row['family']}, {trained})")
        console.result(f"    {row['about']}")
        console.result(f"    keeps of a history: {row['state']}; in view: {row['in_view']}")


def _row(name: str, empty: list[PreTrainedModel], composed: Composed) -> dict[str, object]:
    """``empty`` holds the backbone without weights, made once for all rows."""
    request = TrainingRequest.of(composed)
    method = request.method
    if not empty:
        empty.append(request.backbone.empty())
    return {
        "name": name,
        "family": method.family,
        "trained_parameters": trained_parameters(method, empty[0], memory=request.memory),
        "state": method.keeps,
        "in_view": IN_VIEW[method.natural_context],
    }
