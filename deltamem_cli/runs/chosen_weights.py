"""Which trained weights a run takes: those that were named, else what is written in the folders.

An adapter fits by its writer and the backbone that it stores, weights of a baseline by their method
and backbone; names and times of folders say nothing. What was trained here comes before a release.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deltamem_cli.errors import UsageError
from deltamem_cli.settings.compose import choices
from deltamem_cli.settings.instantiate import build
from deltamem_cli.settings.paths import without_machine

__all__ = ["Chosen", "choose_adapter", "choose_weights", "named_weights"]

MOST_LISTED = 6
"""Folders in the sentence about several that fit."""


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The weights of a run, and where they come from."""

    folder: Path
    source: str
    """A folder, or ``OWNER/NAME@COMMIT``."""
    how: str
    """``named``, ``trained`` (found among the runs) or ``released`` (by the backbone's yaml)."""
    notes: tuple[str, ...] = ()
    """Sentences for whoever started the run."""

    def recorded(self, sha: str | None) -> dict[str, str | None]:
        """What a record says, with the ``sha`` of the weights: no folder of this machine."""
        from deltamem.adapter.source import HUB_COMMIT

        hub = HUB_COMMIT.fullmatch(self.source)
        source = self.source if hub else without_machine(self.folder)
        return {"source": source, "chosen": self.how, "sha": sha}

    def shown(self, sha: str | None) -> str:
        """Where they come from and which they are, in a few words."""
        return f"{self.source} ({self.how}, sha {str(sha)[:12]})"


def choose_weights(config: Any, *, fingerprint: str | None) -> Chosen | None:
    """The weights that ``config.method`` runs with; None where it takes none, or there are none.

    Args:
        config: composed, with a method.
        fingerprint: of the backbone; None goes by its name, where no weights are loaded.

    Raises:
        Unavailable: a named or released one is not here.
        UsageError: several fit, or weights were named for a method without any.
    """
    if config.method.needs_adapter:
        return named_weights(config) or _adapter(config, fingerprint)
    method = choices()["method"]
    if "learner" in config.method:
        return named_weights(config) or _baseline(config, method, fingerprint)
    if config.adapter is not None:
        raise UsageError(
            f"adapter={config.adapter} was given, and method={method} has no weights to load; "
            "leave it out"
        )
    return None


def choose_adapter(config: Any, *, fingerprint: str | None) -> Chosen:
    """The δ-mem adapter of a run or a conversation; see :func:`choose_weights`.

    Raises:
        Unavailable: there is none.
    """
    from deltamem_base.faults import Unavailable

    chosen = named_weights(config) or _adapter(config, fingerprint)
    if chosen is None:
        words = f"model={choices()['model']} writer={choices()['writer']}"
        raise Unavailable(
            f"there is no adapter for {words}: train one with `deltamem train {words}`, or name "
            "one with adapter=FOLDER"
        )
    return chosen


def _adapter(config: Any, fingerprint: str | None) -> Chosen | None:
    """The adapter among the runs that fits, else the released one."""
    from deltamem.adapter.files import (
        CONFIG,
        stored_config,
        stored_origin,
        stored_sha,
        stores_writer,
    )

    model, writer = choices()["model"], choices()["writer"]
    wanted = build(config.writer)

    def fits(folder: Path) -> bool:
        return (
            (folder / CONFIG).is_file()
            and stores_writer(folder, wanted)
            and _is_of(stored_origin(folder), config, fingerprint)
        )

    def told(folder: Path) -> str:
        made = stored_config(folder)
        return f"{stored_sha(folder)[:12]}, steers {''.join(made.heads)}, rank {made.rank}"

    words = f"model={model} writer={writer}"
    released = config.model.get("adapters", {}).get(writer)
    found = _only(config, fits, sha=stored_sha, told=told, words=words)
    if found is not None:
        first = f"note: {found} was trained here and comes before the released {released}"
        notes = (f"{first}, which adapter='${{model.adapters.{writer}}}' takes",)
        return _trained(found, notes=notes if released is not None else ())
    return None if released is None else _located(str(released), how="released")


def _baseline(config: Any, method: str, fingerprint: str | None) -> Chosen | None:
    """Weights of a trained baseline among the runs; None where none fit."""
    from baselines.trained.weights import SETTINGS, stored_origin, stored_sha

    def fits(folder: Path) -> bool:
        if not (folder / SETTINGS).is_file():
            return False
        made_by, origin = stored_origin(folder)
        return made_by == method and _is_of(origin, config, fingerprint)

    def told(folder: Path) -> str:
        return stored_sha(folder)[:12]

    words = f"model={choices()['model']} method={method}"
    found = _only(config, fits, sha=stored_sha, told=told, words=words)
    return None if found is None else _trained(found)


def named_weights(config: Any) -> Chosen | None:
    """The weights of ``adapter=``; None where none were named.

    Raises:
        Unavailable: they are not here and cannot be fetched.
    """
    if config.adapter is None:
        return None
    name = str(config.adapter)
    released = name in config.model.get("adapters", {}).values()
    return _located(name, how="released" if released else "named")


def _located(name: str, *, how: str) -> Chosen:
    """A folder or a repository of the hub, whose commit is said where the name has none."""
    from deltamem.adapter.source import adapter_folder, pinned_source

    folder = adapter_folder(name)
    source = pinned_source(name, folder)
    unpinned = source not in (name, str(folder))
    note = f"note: the adapter {name} names no commit; this is {source}: name that to get it again"
    return Chosen(folder=folder, source=source, how=how, notes=(note,) if unpinned else ())


def _trained(folder: Path, notes: tuple[str, ...] = ()) -> Chosen:
    return Chosen(folder=folder, source=str(folder), how="trained", notes=notes)


def _only(
    config: Any,
    fits: Callable[[Path], bool],
    *,
    sha: Callable[[Path], str],
    told: Callable[[Path], str],
    words: str,
) -> Path | None:
    """The one folder of whole weights among the runs that fits; copies of the same count once.

    Raises:
        UsageError: others fit as well; lists them.
    """
    runs = Path(config.runs_dir)
    whole = sorted(card.parent for card in runs.glob("*/adapter/README.md"))
    fitting = [folder for folder in whole if fits(folder)]
    if len(fitting) > 1:
        fitting = list({sha(folder): folder for folder in reversed(fitting)}.values())[::-1]
    if len(fitting) > 1:
        listed = [f"adapter={folder} ({told(folder)})" for folder in fitting[:MOST_LISTED]]
        more = len(fitting) - len(listed)
        raise UsageError(
            f"{len(fitting)} trained weights in {runs} fit {words} equally; name one: "
            + ", ".join(listed)
            + (f", and {more} more" if more else "")
        )
    return fitting[0] if fitting else None


def _is_of(origin: Mapping[str, Any] | None, config: Any, fingerprint: str | None) -> bool:
    """Whether weights were trained on the backbone of a run."""
    from deltamem.adapter.card import EMBEDDED

    if origin is None:
        return False
    if fingerprint is not None:
        return bool(origin.get("fingerprint") == fingerprint)
    name = str(config.model.get("id") or EMBEDDED)
    return origin.get("name") in (name, Path(name).name)
