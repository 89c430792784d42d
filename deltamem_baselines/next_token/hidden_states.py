"""Look at what goes into the MLP of a layer, after its norm, while the backbone runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from torch import Tensor
from torch.utils.hooks import RemovableHandle

from deltamem.backbone import decoder_layers
from deltamem_base.faults import InvalidInput

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["check_layer", "mlp_inputs"]


def check_layer(model: PreTrainedModel, layer: int) -> None:
    """Refuse the number of a layer that is not there; negative ones count from the last.

    Raises:
        InvalidInput: with the choices.
    """
    count = len(decoder_layers(model))
    if not -count <= layer < count:
        raise InvalidInput(f"there is no layer {layer}; choose from {-count} to {count - 1}")


@contextmanager
def mlp_inputs(model: PreTrainedModel, layers: Sequence[int]) -> Iterator[dict[int, Tensor]]:
    """A mapping that holds, after each forward, the inputs (B, T, D) of the ``layers``' MLPs."""
    seen: dict[int, Tensor] = {}
    blocks = decoder_layers(model)
    handles: list[RemovableHandle] = []
    try:
        handles += [
            blocks[layer].mlp.register_forward_pre_hook(_store(seen, layer)) for layer in layers
        ]
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def _store(seen: dict[int, Tensor], layer: int) -> Callable[..., None]:
    def hook(module: object, args: tuple[Tensor, ...]) -> None:
        seen[layer] = args[0]

    return hook
