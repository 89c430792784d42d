"""Which backbone a run is on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from deltamem_cli.settings.composed import Composed
from deltamem_cli.settings.instantiate import UNSEEN, build

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from deltamem.backbone import Backbone

__all__ = ["BackboneRequest", "Place", "PromptOptions"]


class Place(TypedDict):
    """A repository of the hub at one commit, or a folder."""

    id: str
    revision: str | None


class PromptOptions(TypedDict):
    """Arguments of everything that renders a chat template."""

    template_kwargs: dict[str, object]
    template_date: str


@dataclass(frozen=True, kw_only=True)
class BackboneRequest:
    """A backbone before anything of it is loaded."""

    name: str
    """Option of ``model=``."""
    arguments: Mapping[str, Any]
    """Class or function that loads it, and its arguments."""
    device: str
    """``auto`` or a device of torch."""
    dtype: str
    """``auto`` or a dtype of torch."""
    architecture: Mapping[str, object] | None = None
    """Fields of its configuration, for counts where its files are not on this machine."""
    released: Mapping[str, str] = field(default_factory=dict)
    """Published adapters by option of ``writer=``; a folder that is not here is left out."""

    @classmethod
    def of(cls, composed: Composed) -> BackboneRequest:
        """The backbone of a config that has ``model`` and ``runtime``."""
        model, runtime = composed.tree["model"], composed.tree["runtime"]
        adapters = model.get("adapters") or {}
        arguments = {key: value for key, value in model.items() if key not in UNSEEN["model"]}
        return cls(
            name=composed.options["model"],
            arguments=arguments,
            device=str(runtime["device"]),
            dtype=str(runtime["dtype"]),
            architecture=model.get("architecture"),
            released={writer: name for writer, name in adapters.items() if _is_here(name)},
        )

    @property
    def id(self) -> str | None:
        """A folder, or a repository of the hub; None is the embedded backbone."""
        return self.arguments.get("id")

    @property
    def attention(self) -> str:
        """``auto`` or an implementation of attention."""
        return str(self.arguments["attention"])

    @property
    def quantization(self) -> str | None:
        """``4bit``, ``8bit`` or None."""
        return self.arguments.get("quantization")

    @property
    def spread(self) -> bool:
        """Whether its layers are spread over all GPUs."""
        return self.arguments.get("device_map") is not None

    @property
    def gguf_file(self) -> str | None:
        """Name of the GGUF file that it is dequantised from; None takes safetensors files."""
        return self.arguments.get("gguf_file")

    @property
    def named(self) -> Place:
        """The repository or folder that was asked for, as ``id`` and ``revision``."""
        from deltamem.backbone import tiny_folder

        return {"id": self.id or str(tiny_folder()), "revision": self.arguments.get("revision")}

    @property
    def source(self) -> Place:
        """The place of its ordinary files, as ``id`` and ``revision``; a GGUF file's are made.

        Raises:
            Unavailable: a GGUF file that is not here.
            InvalidInput: one that cannot be read.
        """
        from deltamem.backbone import dequantised

        if self.gguf_file is None:
            return self.named
        made = dequantised(self.named["id"], self.gguf_file, revision=self.named["revision"])
        return {"id": str(made.folder), "revision": None}

    @property
    def prompt_options(self) -> PromptOptions:
        """Arguments of the chat template."""
        from deltamem.backbone import TEMPLATE_DATE

        return {
            "template_kwargs": dict(self.arguments.get("template_kwargs") or {}),
            "template_date": str(self.arguments.get("template_date") or TEMPLATE_DATE),
        }

    def empty(self) -> PreTrainedModel:
        """The model without weights, on the meta device."""
        from deltamem.backbone import empty_model

        known = (self.architecture or {}).get("of") == self.id
        where = self.named if known else self.source
        return empty_model(**where, architecture=self.architecture)

    def load(self) -> Backbone:
        """The backbone itself."""
        backbone: Backbone = build(self.arguments)
        return backbone


def _is_here(adapter: str) -> bool:
    """Whether an adapter lies in its folder, or may be had from the hub."""
    return not Path(adapter).is_absolute() or Path(adapter).is_dir()
