"""``deltamem show training=…``: what is learnt from, with counts and a digest, without a model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from statistics import median
from typing import TYPE_CHECKING, Any

from deltamem_base.downloads import told_of_downloads
from deltamem_cli.runs.requests import TrainingRequest
from deltamem_cli.screen.console import Console
from deltamem_cli.screen.excerpt import excerpt
from deltamem_cli.settings.job import run_config

if TYPE_CHECKING:
    from deltamem.training import Episode

__all__ = ["show_training"]

SHOWN_MESSAGES = 3
"""Written messages that are printed of the start and of the end."""


def show_training(overrides: Sequence[str], *, console: Console) -> None:
    """Print where the episodes come from, what was rejected, their sha256, and the first one."""
    run_config("train", lambda composed: _show(TrainingRequest.of(composed), console), overrides)


def _show(request: TrainingRequest, console: Console) -> None:
    with told_of_downloads(console.note):
        recipe, data = request.recipe, request.load_data()
    first = data.episodes[0]
    content: dict[str, Any] = {
        "source": dict(data.source),
        "episodes": len(data.episodes),
        "held_out": len(data.held_out),
        "steps": recipe.steps or recipe.epochs * math.ceil(len(data.episodes) / recipe.batch_size),
        "batch_size": recipe.batch_size,
        "written": _sizes([data.episodes[i] for i in range(len(data.episodes))])
        if data.stored
        else None,
        "first": asdict(first),
    }
    console.json(content)
    rows = {**data.facts, "held out": content["held_out"]}
    rows["steps"] = f"{content['steps']} of {content['batch_size']} episodes"
    for what, sizes in (content["written"] or {}).items():
        rows[what] = f"median {sizes['median']:,}, at most {sizes['most']:,}"
    for name, value in rows.items():
        console.result(f"{name:12} {value}")
    _print_episode(first, console)


def _sizes(episodes: Sequence[Episode]) -> dict[str, dict[str, int]]:
    """How long the written parts are."""
    counts = {
        "messages": [len(e.written) for e in episodes],
        "characters": [sum(len(m["content"]) for m in e.written) for e in episodes],
    }
    return {
        name: {"median": int(median(values)), "most": max(values)}
        for name, values in counts.items()
    }


def _print_episode(episode: Episode, console: Console) -> None:
    console.result(f"\nfirst episode: {episode.id}")
    console.result(f"written to the memory ({len(episode.written)} messages):")
    left_out = len(episode.written) - 2 * SHOWN_MESSAGES
    for number, message in enumerate(episode.written):
        if left_out > 0 and number == SHOWN_MESSAGES:
            console.result(f"   ... {left_out} more ...")
        if left_out <= 0 or not SHOWN_MESSAGES <= number < len(episode.written) - SHOWN_MESSAGES:
            text = excerpt(message["content"], indent="    │ ")
            console.result(f"{number:3} │ {message['role']}: {text}")
    for ask in episode.asks:
        console.result("\nvisible:")
        for message in ask.visible:
            console.result(
                f"    │ {message['role']}: {excerpt(message['content'], indent='    │ ')}"
            )
        console.result(f"learnt:\n    │ {excerpt(ask.answer, indent='    │ ')}")
