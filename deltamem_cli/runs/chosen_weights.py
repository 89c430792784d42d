"""Which trained weights a run takes: those that were named, else what is written in the folders.

An adapter fits by its writer and the backbone that it stores, weights of a baseline by their method
and backbone; names and times of folders say nothing. What was trained here comes before a release.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from deltamem_base.faults import Fault
from deltamem_cli.errors import UsageError
from deltamem_cli.runs.requests import WeightsRequest
from deltamem_cli.settings.paths import without_machine

if TYPE_CHECKING:
    from deltamem_evaluations.records.provenance import Weights

__all__ = ["Chosen", "adapter_of_sha", "choose_adapter", "choose_weights", "named_weights"]

MOST_LISTED = 6
"""Folders in the sentence about several that fit."""


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The weights of a run, and where they come from."""

    folder: Path
    source: str
    """A folder, or ``OWNER/NAME@COMMIT``."""
    how: Literal["named", "trained", "released"]
    """``named``, ``trained`` (found among the runs) or ``released`` (by the backbone's yaml)."""
    notes: tuple[str, ...] = ()
    """Sentences for whoever started the run."""

    def recorded(self, sha: str | None) -> Weights:
        """The entry of the weights in a record, which names no folder of this machine."""
        from deltamem.adapter.source import HUB_COMMIT
        from deltamem_evaluations.records.provenance import Weights

        hub = HUB_COMMIT.fullmatch(self.source)
        source = self.source if hub else without_machine(self.folder)
        return Weights(source=source, chosen=self.how, sha=sha)

    def shown(self, sha: str | None) -> str:
        """Where they come from and which they are, in a few words."""
        return f"{self.source} ({self.how}, sha {str(sha)[:12]})"


def choose_weights(request: WeightsRequest, *, fingerprint: str | None) -> Chosen | None:
    """The weights that a method runs with; None where it takes none, or there are none.

    Args:
        request: what was asked for.
        fingerprint: of the backbone; None goes by its name, where no weights are loaded.

    Raises:
        Unavailable: a named or released one is not here.
        UsageError: several fit, or weights were named for a method without any.
    """
    if not (request.needs_adapter or request.needs_baseline):
        if request.adapter is None:
            return None
        raise UsageError(
            f"adapter={request.adapter} was given, but method={request.method} has no "
            "weights to load; leave it out"
        )
    named = named_weights(request.adapter, released=request.backbone.released)
    if request.needs_adapter:
        return named or _adapter(request, fingerprint)
    return named or _baseline(request, fingerprint)


def choose_adapter(request: WeightsRequest, *, fingerprint: str | None) -> Chosen:
    """The δ-mem adapter of a run or a conversation; see :func:`choose_weights`.

    Raises:
        Unavailable: there is none.
    """
    from deltamem_base.faults import Unavailable

    chosen = choose_weights(request, fingerprint=fingerprint)
    if chosen is None:
        words = f"model={request.backbone.name} writer={request.writer_name}"
        released = " or ".join(f"writer={writer}" for writer in request.backbone.released)
        raise Unavailable(
            f"there is no adapter for {words}: {f'take {released}, ' if released else ''}train one "
            f"with `deltamem train {words}`, or name one with adapter=FOLDER"
        )
    return chosen


def adapter_of_sha(
    request: WeightsRequest, sha: str, *, folders: Sequence[Path], names: Sequence[str]
) -> Chosen:
    """The adapter with a sha, wherever it lies.

    Args:
        request: what was asked for.
        sha: of the weights.
        folders: where trainings may have left it, beside the request's own.
        names: adapters that it may be, beside the released ones.

    Raises:
        Unavailable: none of them has this sha.
    """
    from deltamem.adapter.files import CONFIG
    from deltamem.adapter.weights import stored_sha
    from deltamem_base.faults import Unavailable

    released = request.backbone.released
    for folder in (f for runs in (request.runs, *folders) for f in _whole_weights(runs)):
        if (folder / CONFIG).is_file() and stored_sha(folder) == sha:
            return _trained(folder)
    for name in dict.fromkeys([*names, *released.values()]):
        with suppress(Fault):  # one that cannot be had is not the one
            found = _located(name, how="released" if name in released.values() else "named")
            if stored_sha(found.folder) == sha:
                return found
    raise Unavailable(
        f"the adapter {sha[:12]} is neither among {request.runs} nor released: name its folder "
        "with adapter=FOLDER"
    )


def _adapter(request: WeightsRequest, fingerprint: str | None) -> Chosen | None:
    """The adapter among the runs that fits, else the released one."""
    from deltamem.adapter.files import CONFIG, stored_config, stored_origin, stores_writer
    from deltamem.adapter.weights import stored_sha

    def fits(folder: Path) -> bool:
        return (
            (folder / CONFIG).is_file()
            and stores_writer(folder, request.writer)
            and _is_of(stored_origin(folder), request, fingerprint)
        )

    def told(folder: Path) -> str:
        made = stored_config(folder)
        return f"{stored_sha(folder)[:12]}, steers {''.join(made.heads)}, rank {made.rank}"

    writer = request.writer_name
    words = f"model={request.backbone.name} writer={writer}"
    released = request.backbone.released.get(writer)
    found = _only(request.runs, fits, sha=stored_sha, told=told, words=words)
    if found is not None:
        first = f"note: {found} was trained here and is used instead of the released {released}"
        notes = (f"{first}, which adapter='${{model.adapters.{writer}}}' takes",)
        return _trained(found, notes=notes if released is not None else ())
    return None if released is None else _located(released, how="released")


def _baseline(request: WeightsRequest, fingerprint: str | None) -> Chosen | None:
    """Weights of a trained baseline among the runs; None where none fit."""
    from deltamem_baselines.trained.weights import SETTINGS, stored_origin, stored_sha

    def fits(folder: Path) -> bool:
        if not (folder / SETTINGS).is_file():
            return False
        made_by, origin = stored_origin(folder)
        return made_by == request.method and _is_of(origin, request, fingerprint)

    def told(folder: Path) -> str:
        return stored_sha(folder)[:12]

    words = f"model={request.backbone.name} method={request.method}"
    found = _only(request.runs, fits, sha=stored_sha, told=told, words=words)
    return None if found is None else _trained(found)


def named_weights(adapter: str | None, *, released: Mapping[str, str]) -> Chosen | None:
    """The weights of ``adapter=``; None where none were named.

    Args:
        adapter: a folder, or ``OWNER/NAME@COMMIT``.
        released: adapters that the backbone's yaml names, by writer.

    Raises:
        Unavailable: they are not here and cannot be fetched.
    """
    if adapter is None:
        return None
    return _located(adapter, how="released" if adapter in released.values() else "named")


def _located(name: str, *, how: Literal["named", "released"]) -> Chosen:
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
    runs: Path,
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
    fitting = [folder for folder in _whole_weights(runs) if fits(folder)]
    if len(fitting) > 1:
        fitting = list({sha(folder): folder for folder in reversed(fitting)}.values())[::-1]
    if len(fitting) > 1:
        listed = [f"adapter={folder} ({told(folder)})" for folder in fitting[:MOST_LISTED]]
        more = len(fitting) - len(listed)
        raise UsageError(
            f"{len(fitting)} trained weights in {runs} fit {words} equally well; name one: "
            + ", ".join(listed)
            + (f", and {more} more" if more else "")
        )
    return fitting[0] if fitting else None


def _whole_weights(runs: Path) -> list[Path]:
    """Folders that finished trainings left; their card is written last."""
    return sorted(card.parent for card in runs.glob("*/adapter/README.md"))


def _is_of(
    origin: Mapping[str, object] | None, request: WeightsRequest, fingerprint: str | None
) -> bool:
    """Whether weights were trained on the backbone of a run."""
    from deltamem.adapter.card import EMBEDDED

    if origin is None:
        return False
    if fingerprint is not None:
        return bool(origin.get("fingerprint") == fingerprint)
    name = request.backbone.id or EMBEDDED
    return origin.get("name") in (name, Path(name).name)
