"""The key of a run: a hash of its whole config, less a short list of what changes no answer.

A setting that is new is in the key by default. What a setting merely points to (a file, a model, an
adapter) counts by its content, whose fingerprints are hashed beside the settings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from deltamem_cli.settings.composed import leaves
from deltamem_cli.settings.identity import content_hash
from deltamem_cli.settings.paths import CONTENT, last_part

__all__ = [
    "DESCRIBING",
    "IDLE",
    "OF_THE_WEIGHTS",
    "RESOLVED",
    "WHERE",
    "contents",
    "deciding_settings",
    "planned_key",
    "run_key",
]

WHERE = (
    *("runs_dir", "results_dir", "hydra", "tracker", "runtime.batch_size"),
    *("judge", "bench.judge_path"),
)
"""Settings of places, of trackers, of whoever judges the answers later, and of how many samples are
worked on side by side."""
RESOLVED = (
    *(
        f"{part}.{name}"
        for part in ("runtime", "model")
        for name in ("device", "dtype", "attention")
    ),
    "method.natural_context",
)
"""Settings that may say ``auto``: the numbers, attention and device that came of it are hashed
instead, and the context that a method takes."""
DESCRIBING = (
    *("model.architecture", "model.memory_layers", "method.family", "method.state"),
    "method.instead_of_weights",
)
"""Told to readers, for counts without the weights, and defaults of other settings."""
OF_THE_WEIGHTS = {"eval": ("writer", "method.learner"), "train": ("method", "steer", "writer")}
"""Settings left out by verb: an evaluation's count by the weights that were trained with them; a
training's have gone into its memory, or are another method's."""
IDLE: Mapping[str, object] = {
    "bench.max_new_tokens": None,
    "likelihood": False,
    "training.data.together": 1,
}
"""Settings with the value at which they do nothing, and are in no key: a run that was made before
there was such a setting, or is made without it, is the same run."""
NAMES = ("model", "model_revision", "data")
"""Keys of a fingerprint that only name content, whose hash stands beside them."""
RELEASED = "model.adapters."
"""Beginning of the settings that name the adapters of a backbone."""
HASHED_BYTES = 2**26
"""Size in bytes above which a file counts by its size and time, not by its content."""


def run_key(deciding: Mapping[str, object], *fingerprints: Mapping[str, object] | str) -> str:
    """Hash of all that decides what comes out of a run.

    Args:
        deciding: its :func:`deciding_settings`.
        fingerprints: of the data, the weights and the numerics.
    """
    contents = [
        f if isinstance(f, str) else {name: v for name, v in f.items() if name not in NAMES}
        for f in fingerprints
    ]
    return content_hash([deciding, contents])


def planned_key(tree: Mapping[str, object], verb: str) -> str:
    """Hash of all that a config says of a run, before any data or weights are looked into."""
    asked = _below(dict(leaves(tree)), RESOLVED)
    return content_hash([deciding_settings(tree, verb), asked, contents(tree)])


def deciding_settings(tree: Mapping[str, object], verb: str) -> dict[str, object]:
    """Every setting of a config that decides what comes out, by its whole name."""
    settings = dict(leaves(tree))
    other = {*_below(settings, (*WHERE, *CONTENT, *RESOLVED, *DESCRIBING, *OF_THE_WEIGHTS[verb]))}
    if verb == "train" and not settings["method.needs_adapter"]:
        other |= {*_below(settings, ("memory",))}
        other -= {*_below(settings, ("method.learner",))}
    return {
        name: value
        for name, value in settings.items()
        if name not in other and not (name in IDLE and value == IDLE[name])
    }


def contents(tree: Mapping[str, object]) -> dict[str, object]:
    """A digest of every file and folder that a config names; of what is not here, the name.

    Released adapters count only where one of them may be taken.
    """
    settings = dict(leaves(tree))
    named = _below(settings, CONTENT)
    if not settings.get("method.needs_adapter") or settings.get("adapter") is not None:
        named = {name: value for name, value in named.items() if not name.startswith(RELEASED)}
    return {name: _digest(value) for name, value in named.items() if value is not None}


def _below(settings: Mapping[str, object], names: Iterable[str]) -> dict[str, object]:
    """Settings that are one of ``names``, or lie below one."""
    tops = tuple(names)
    return {
        name: value
        for name, value in settings.items()
        if any(name == top or name.startswith(f"{top}.") for top in tops)
    }


def _digest(named: object) -> object:
    path = Path(str(named)).expanduser()
    if not path.exists():
        return last_part(str(named))
    if path.is_file():
        return _content(path)
    files = sorted(p for p in path.rglob("*") if p.is_file())
    return content_hash([(p.relative_to(path).as_posix(), _content(p)) for p in files])


def _content(path: Path) -> str:
    from deltamem_base.digests import sha256_of

    size = path.stat().st_size
    if size > HASHED_BYTES:
        return f"{size} bytes of {path.stat().st_mtime_ns}"
    return sha256_of(path)
