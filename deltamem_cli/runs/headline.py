"""The first line of a run: on what, with what, from where. Nobody measures the toy unawares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deltamem_cli.runs.chosen_weights import Chosen
from deltamem_cli.screen.console import Console
from deltamem_cli.settings.compose import choices

__all__ = ["announce_evaluation", "announce_training", "sha_of"]

UNITS = ((1e9, "B"), (1e6, "M"), (1e3, "k"))


def announce_evaluation(
    console: Console,
    config: Any,
    backbone: Any,
    *,
    described: Mapping[str, Any],
    chosen: Chosen | None,
    samples: int,
) -> None:
    """Say what an evaluation is of, and what there is to know of its weights.

    Args:
        console: prints.
        config: composed.
        backbone: loaded.
        described: what the method says of itself.
        chosen: its weights; None where it has none.
        samples: how many are to be answered.
    """
    named = choices()
    adapter = None if chosen is None else f"adapter {chosen.shown(sha_of(described))}"
    control = named["control"]
    protocol = config.bench.get("protocol")
    words = [
        _model(named["model"], backbone),
        f"method={named['method']}",
        adapter,
        f"context={config.context.mode}",
        None if control == "none" else f"control={control}",
        f"bench={named['bench']}" + ("" if protocol is None else f" ({protocol} protocol)"),
        f"{samples:,} samples",
    ]
    console.note(", ".join(word for word in words if word is not None))
    for note in () if chosen is None else chosen.notes:
        console.note(note)


def announce_training(
    console: Console, config: Any, backbone: Any, *, recipe: Any, data: Any
) -> None:
    """Say what a training is of.

    Args:
        console: prints.
        config: composed.
        backbone: loaded.
        recipe: the steps and their sizes.
        data: what is learnt from.
    """
    named = choices()
    groups = ("writer", "steer") if config.method.needs_adapter else ()
    steps = f"{recipe.steps} steps" if recipe.steps else f"{recipe.epochs} epochs"
    words = [
        _model(named["model"], backbone),
        " ".join(f"{group}={named[group]}" for group in ("method", *groups)),
        f"training={named['training']} ({steps} of {recipe.batch_size} episodes, learning rate "
        f"{recipe.learning_rate:g})",
        f"data {data.source.get('data', 'unnamed')} ({len(data.episodes):,} episodes)",
    ]
    console.note(", ".join(words))


def sha_of(described: Mapping[str, Any]) -> str | None:
    """The sha of a method's trained weights; None where it has none."""
    sha = described.get("adapter_sha") or described.get("weights_sha")
    return None if sha is None else str(sha)


def _model(name: str, backbone: Any) -> str:
    where = "" if backbone.name == name else f"{backbone.name}, "
    return f"model={name} ({where}{_count(backbone.model.num_parameters())} parameters)"


def _count(number: int) -> str:
    size, unit = next(((s, u) for s, u in UNITS if number >= s), (1.0, ""))
    return f"{number / size:.1f} {unit}".rstrip()
