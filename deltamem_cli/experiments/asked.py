"""The experiment that the words of the command line ask for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from deltamem_cli.errors import UsageError
from deltamem_cli.experiments.plan import Draft, Plan, make_drafts, make_plan
from deltamem_cli.settings.composed import Composed
from deltamem_cli.settings.groups import options
from deltamem_cli.settings.job import run_config

__all__ = ["drafts_of", "plan_of"]


def plan_of(words: Sequence[str]) -> tuple[Plan, Path, str | None]:
    """The plan that words of the command line mean, and the folders of runs and of results.

    Raises:
        UsageError: no experiment was named, or settings that do not compose.
    """
    if not any(word.startswith("experiment=") for word in words):
        raise UsageError(
            f"name an experiment: experiment= one of {', '.join(options('experiment'))}"
        )
    asked: tuple[Plan, Path, str | None] = run_config("ablate", _plan, words)
    return asked


def drafts_of(words: Sequence[str]) -> list[Draft]:
    """The cells that words mean, without their keys."""
    drafts: list[Draft] = run_config("ablate", make_drafts, words)
    return drafts


def _plan(composed: Composed) -> tuple[Plan, Path, str | None]:
    return make_plan(composed), Path(composed.tree["runs_dir"]), composed.tree["results_dir"]
