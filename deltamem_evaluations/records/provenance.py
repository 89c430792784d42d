"""Where the number of a record comes from: data, method, backbone, weights, machine and code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from deltamem_evaluations.benchmark import Data
from deltamem_evaluations.quantities import Count, Tree
from deltamem_evaluations.records.origins import Environments, NumericsUsed

__all__ = ["BackboneIdentity", "BackboneUsed", "MethodIdentity", "Provenance", "Weights"]


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
        described: Mapping[str, Any],
        *,
        family: str | None = None,
        natural_context: str | None = None,
    ) -> MethodIdentity:
        """The identity of a method.

        Args:
            described: all that its ``describe()`` gives.
            family: the kind of memory that its settings name.
            natural_context: the context that its settings name.
        """
        named = {f.name for f in fields(MethodIdentity)} - {"settings"}
        given = {"family": family, "natural_context": natural_context, **described}
        return MethodIdentity(
            **{name: value for name, value in given.items() if name in named},
            settings={name: value for name, value in given.items() if name not in named},
        )

    @property
    def sha(self) -> str | None:
        """sha256 of the trained weights; None where there are none."""
        return self.adapter_sha or self.weights_sha


@dataclass(frozen=True, kw_only=True)
class BackboneIdentity:
    """The frozen language model."""

    model: str | None = None
    """Hub id, or the last part of a folder's name."""
    model_revision: str | None = None
    """Commit on the hub."""
    model_fingerprint: str | None = None
    """Hash of the weights."""
    model_architecture: str | None = None
    """sha256 of the settings of the architecture."""
    model_prompts: str | None = None
    """Hash of tokenizer and chat template."""
    model_quantization: str | None = None
    """Format that the weights are quantised to; None where they are not."""
    model_file_sha256: str | None = None
    """sha256 of the GGUF file that the weights were dequantised from."""


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
