"""The experiment that the words of the command line ask for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deltamem_cli.errors import UsageError
from deltamem_cli.experiments.plan import Draft, Plan, make_drafts, make_plan
from deltamem_cli.settings.compose import about, options, run_config
from deltamem_cli.settings.in_progress import choices

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
    plan, runs, results = run_config("ablate", _plan, words)
    return plan, Path(runs), results


def drafts_of(words: Sequence[str]) -> list[Draft]:
    """The cells that words mean, without their keys."""
    drafts: list[Draft] = run_config("ablate", make_drafts, words)
    return drafts


def _plan(config: Any) -> tuple[Plan, str, str | None]:
    name = choices()["experiment"]
    made = make_plan(config, name=name, title=about("experiment", name).rstrip("."))
    return made, config.runs_dir, config.results_dir
