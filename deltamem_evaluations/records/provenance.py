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
class MethodIdentity:
    """A method described by itself: everything that would make its answers others if it changed."""

    family: str | None = None
    """Kind of memory, such as ``delta-mem``, ``textual`` or ``reference``."""
    natural_context: str | None = None
    """Context that the method has in the paper's tables."""
    variant: str | None = None
    """Words that stand beside the method's name in every table; None for its usual form."""
    adapter_sha: str | None = None
    """sha256 of the adapter of δ-mem; None for another method."""
    weights_sha: str | None = None
    """sha256 of the trained weights of a baseline; None where there are none."""
    trained_parameters: Count = 0
    state_bytes: Count | None = 0
    """Bytes that each history leaves behind; None where it depends on the history."""
    write_answers: bool | None = None
    """Whether question and answer go into the memory; None for a method without that choice."""
    settings: Tree = field(default_factory=dict)
    """Settings of its own, such as ``rank`` or ``k``."""

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

    @property
    def sha(self) -> str | None:
        """sha256 of the trained weights; None where there are none."""
        return self.adapter_sha or self.weights_sha


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
