"""Where the number of a record comes from: data, method, backbone, weights, machine and code."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Literal

from deltamem_base.identities import BackboneIdentity, MethodDescription
from deltamem_evaluations.benchmark import Data
from deltamem_evaluations.quantities import Count, Tree
from deltamem_evaluations.records.origins import Environments, NumericsUsed

__all__ = ["BackboneUsed", "MethodIdentity", "Provenance", "Weights"]


@dataclass(frozen=True, kw_only=True)
class MethodIdentity(MethodDescription):
    """A method as a record holds it: its own description, and what its settings say of it."""

    family: str | None = None
    """Kind of memory, such as ``delta-mem``, ``textual`` or ``reference``."""
    natural_context: str | None = None
    """Context that the method has in the paper's tables."""
    trained_parameters: Count = 0
    state_bytes: Count | None = 0
    settings: Tree = field(default_factory=dict)

    @staticmethod
    def of(
        described: MethodDescription,
        *,
        family: str | None = None,
        natural_context: str | None = None,
    ) -> MethodIdentity:
        """The identity of a method.

        Args:
            described: what it says of itself.
            family: the kind of memory that its settings name.
            natural_context: the context that its settings name.
        """
        return MethodIdentity(
            family=family,
            natural_context=natural_context,
            variant=described.variant,
            adapter_sha=described.adapter_sha,
            weights_sha=described.weights_sha,
            trained_parameters=described.trained_parameters,
            state_bytes=described.state_bytes,
            write_answers=described.write_answers,
            settings=described.settings,
        )


@dataclass(frozen=True, kw_only=True)
class BackboneUsed(BackboneIdentity, NumericsUsed):
    """The frozen language model with the kinds of numbers that it computed with."""

    @staticmethod
    def used(identity: BackboneIdentity, numerics: NumericsUsed) -> BackboneUsed:
        """The backbone behind the answers of a run."""
        return BackboneUsed(**asdict(identity), **asdict(numerics))


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Trained weights of a method, and why it was these."""

    source: str
    """A folder as seen from where the run was started, or ``OWNER/NAME@COMMIT``."""
    chosen: Literal["named", "trained", "released"]
    """Named by the user, found among the runs, or released for the backbone."""
    sha: str | None
    """sha256 of the weights."""


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Everything that made the answers of a run."""

    data: Data
    method: MethodIdentity = field(default_factory=MethodIdentity)
    backbone: BackboneUsed = field(default_factory=BackboneUsed)
    weights: Weights | None = None
    environment: Environments = field(default_factory=Environments)
