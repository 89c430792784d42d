"""A backbone and a method as they describe themselves, for run keys and for records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace

__all__ = ["BackboneIdentity", "MethodDescription"]


@dataclass(frozen=True, kw_only=True)
class BackboneIdentity:
    """The frozen language model: its weights, its architecture, the tokens of its prompts."""

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

    @property
    def deciding(self) -> dict[str, str]:
        """Everything that is set, by name: it decides the answers."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class MethodDescription:
    """A method by itself: everything that would make its answers others if it changed."""

    variant: str | None = None
    """Words that stand beside the method's name in every table; None for its usual form."""
    adapter_sha: str | None = None
    """sha256 of the adapter of δ-mem; None for another method."""
    weights_sha: str | None = None
    """sha256 of the trained weights of a baseline; None where there are none."""
    trained_parameters: int = 0
    state_bytes: int | None = 0
    """Bytes that each history leaves behind; None where it depends on the history."""
    write_answers: bool | None = None
    """Whether question and answer go into the memory; None for a method without that choice."""
    settings: Mapping[str, object] = field(default_factory=dict)
    """Settings of its own that can change an answer, such as ``rank`` or ``k``."""

    @property
    def sha(self) -> str | None:
        """sha256 of the trained weights; None where there are none."""
        return self.adapter_sha or self.weights_sha

    @property
    def deciding(self) -> dict[str, object]:
        """Everything that is set, by name: it decides the answers."""
        own = {name: value for name, value in vars(self).items() if value is not None}
        del own["settings"]
        return {**own, **self.settings}

    def with_settings(self, **more: object) -> MethodDescription:
        """The same with more settings, for a class that extends another."""
        return replace(self, settings={**self.settings, **more})
