"""The numbers, the machine and the code that each stored answer was made with.

A run goes on from answers that an earlier process stored. Each line therefore says itself how it
was made, and a record says what its lines say: never what the last process happened to be.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from deltamem_evaluations.quantities import Count
from deltamem_evaluations.records.environment import Environment, environment

__all__ = ["Environments", "Numerics", "NumericsUsed", "Origin", "differing", "made_here"]

Value = TypeVar("Value")


@dataclass(frozen=True, kw_only=True)
class Numerics:
    """Kinds of numbers that a backbone computed with; None where it does not say."""

    model_dtype: str | None = None
    """Type of its weights and activations, such as ``bfloat16``."""
    model_attention: str | None = None
    """Implementation of its attention, such as ``sdpa``."""
    model_device: str | None = None
    """Kind of device, such as ``cuda``."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """One process: the numbers it computed with, its packages, its machine and its code."""

    numerics: Numerics = field(default_factory=Numerics)
    environment: Environment


@dataclass(frozen=True, kw_only=True)
class NumericsUsed:
    """Kinds of numbers behind the answers of a run: one value each, several where they differ."""

    model_dtype: tuple[str, ...] = ()
    model_attention: tuple[str, ...] = ()
    model_device: tuple[str, ...] = ()

    @staticmethod
    def of(parts: Iterable[Numerics]) -> NumericsUsed:
        """All values that occur, each once."""
        made = list(parts)
        return NumericsUsed(
            model_dtype=_once(one.model_dtype for one in made),
            model_attention=_once(one.model_attention for one in made),
            model_device=_once(one.model_device for one in made),
        )


@dataclass(frozen=True, kw_only=True)
class Environments:
    """Packages, machines and code behind the answers of a run; several values where they differ."""

    versions: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Package -> its versions."""
    python: tuple[str, ...] = ()
    platform: tuple[str, ...] = ()
    """Operating systems and processors."""
    device: tuple[str, ...] = ()
    """GPUs, or processors where none was in use."""
    cores: tuple[Count, ...] = ()
    """Cores that the processes might use."""
    git_commit: tuple[str, ...] = ()
    git_dirty: tuple[bool, ...] = ()
    """Whether the checkout had changes."""

    @staticmethod
    def of(parts: Iterable[Environment]) -> Environments:
        """All values that occur, each once."""
        made = list(parts)
        names = dict.fromkeys(name for one in made for name in one.versions)
        versions = {name: _once(one.versions.get(name) for one in made) for name in names}
        return Environments(
            versions=versions,
            python=_once(one.python for one in made),
            platform=_once(one.platform for one in made),
            device=_once(one.device for one in made),
            cores=_once(one.cores for one in made),
            git_commit=_once(one.git_commit for one in made),
            git_dirty=_once(one.git_dirty for one in made),
        )


def made_here(numerics: Numerics | None = None) -> Origin:
    """The origin of answers that this process makes."""
    return Origin(numerics=numerics or Numerics(), environment=environment())


def differing(numerics: NumericsUsed, environments: Environments) -> list[str]:
    """Sentences on all that may change an answer and is not the same for all of them.

    Names of machines and of systems are left out: they change no answer by themselves.
    """
    values: dict[str, Sequence[object]] = {
        "model_dtype": numerics.model_dtype,
        "model_attention": numerics.model_attention,
        "model_device": numerics.model_device,
        **environments.versions,
        "git_commit": environments.git_commit,
        "git_dirty": environments.git_dirty,
    }
    return [f"{name} {' and '.join(map(str, v))}" for name, v in values.items() if len(v) > 1]


def _once(values: Iterable[Value | None]) -> tuple[Value, ...]:
    """Each value once, in the order given; None says nothing."""
    listed = [value for value in values if value is not None]
    return tuple(value for n, value in enumerate(listed) if value not in listed[:n])
