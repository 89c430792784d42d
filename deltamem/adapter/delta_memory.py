"""The adapter: the weights that are trained, which a ``with`` puts on a backbone."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Self

from deltamem.adapter.files import save_adapter
from deltamem.adapter.source import adapter_folder
from deltamem.adapter.stored_config import Origin, read_stored
from deltamem.adapter.weights import take_weights
from deltamem.attachment.attach import Attachment, attach
from deltamem.backbone import Backbone, as_backbone
from deltamem.layers.memory_layers import MemoryLayers
from deltamem.state import MemoryState
from deltamem_base.faults import InvalidInput

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

__all__ = ["DeltaMemory", "load_adapter", "read_adapter"]


class DeltaMemory(MemoryLayers):
    """One memory per attention layer, and the way onto a backbone and off again."""

    def attach(
        self,
        model: PreTrainedModel,
        *,
        state: MemoryState | None = None,
        write: bool = True,
        one_segment: bool = False,
    ) -> AbstractContextManager[Attachment]:
        """``with memory.attach(model) as attached:``, see :func:`deltamem.attach`."""
        return attach(self, model, state=state, write=write, one_segment=one_segment)

    @classmethod
    def from_pretrained(
        cls,
        source: str | Path,
        model: PreTrainedModel | Backbone,
        tokenizer: PreTrainedTokenizerBase | None = None,
    ) -> Self:
        """Read an adapter for a backbone, on its device, in eval mode.

        Args:
            source: a folder of either format, or ``OWNER/NAME[@REVISION]`` of the hub.
            model: a :class:`Backbone`, or any causal language model of transformers.
            tokenizer: that of the model, where it is not a :class:`Backbone`.

        Raises:
            Unavailable: no adapter there.
            InvalidInput: another backbone, shape, rank, layer set, an unknown key, damaged files;
                the message names what does not match.
        """
        folder = source if isinstance(source, Path) else adapter_folder(source)
        stored, backbone = read_stored(folder), as_backbone(model, tokenizer)
        memory = cls(stored.config, backbone.model, device="meta")
        _check_backbone(folder, stored.origin, backbone)
        take_weights(memory, folder)
        return memory.beside(backbone.model)

    def save_pretrained(
        self,
        folder: str | Path,
        model: PreTrainedModel | Backbone,
        tokenizer: PreTrainedTokenizerBase | None = None,
    ) -> Path:
        """Write a folder that :meth:`from_pretrained` reads for the same backbone.

        Args:
            folder: of the adapter; made where it does not exist.
            model: what the adapter was trained on, whose identity is stored.
            tokenizer: that of the model, where it is not a :class:`Backbone`.

        Raises:
            CannotWrite: the folder cannot be written.
        """
        return save_adapter(self, Path(folder), backbone=as_backbone(model, tokenizer))


def load_adapter(
    source: str | Path,
    model: PreTrainedModel | Backbone,
    tokenizer: PreTrainedTokenizerBase | None = None,
) -> DeltaMemory:
    """Read an adapter for a backbone; see :meth:`DeltaMemory.from_pretrained`."""
    return DeltaMemory.from_pretrained(source, model, tokenizer)


def read_adapter(folder: Path, model: PreTrainedModel) -> DeltaMemory:
    """An adapter beside an architecture without weights: enough to know that it is whole.

    Args:
        folder: of either format; on which backbone it was trained is not looked at.
        model: of :func:`deltamem.backbone.empty_model`.

    Raises:
        Unavailable: no adapter there.
        InvalidInput: see :meth:`DeltaMemory.from_pretrained`.
    """
    memory = DeltaMemory(read_stored(folder).config, model, device="meta")
    take_weights(memory, folder)
    return memory


def _check_backbone(folder: Path, origin: Origin | None, backbone: Backbone) -> None:
    if origin is None or origin.fingerprint == backbone.fingerprint:
        return
    raise InvalidInput(
        f"the adapter {folder} was trained on {origin.name} (weights "
        f"{str(origin.fingerprint)[:12]}), and the backbone is {backbone.name} (weights "
        f"{backbone.fingerprint[:12]})"
    )
