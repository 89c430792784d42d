"""Numbers that are none: what a NaN or an overflow comes from, before it passes for an answer."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from deltamem.backbone.cache import MemoryCache
from deltamem_base.faults import NotFinite

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["check_finite", "first_not_finite"]


def first_not_finite(tensors: Mapping[str, Tensor]) -> str | None:
    """Name of the first tensor with a value that is NaN, infinite or no real number; or None."""
    for name, tensor in tensors.items():
        if not (tensor.is_floating_point() and bool(tensor.float().isfinite().all())):
            return name
    return None


def check_finite(
    finite: Sequence[bool], rows: Collection[int], *, model: PreTrainedModel, cache: MemoryCache
) -> None:
    """Refuse logits of which the largest of a row is not finite.

    Args:
        finite: of each row, whether it is; NaN is the largest where there is one, and impossible
            tokens may have minus infinity.
        rows: those that are still decoded.
        model: where to look for the cause, once there is something to look for.
        cache: filled by the forward that the logits are from.

    Raises:
        NotFinite: with the weights, the state or the layer that they come from.
    """
    for row in rows:
        if not finite[row]:
            raise NotFinite(
                f"the logits of the next token are not finite: {_cause(model, cache, row)}"
            )


def _cause(model: PreTrainedModel, cache: MemoryCache, row: int) -> str:
    """The first place with such numbers, in the order of the layers."""
    weights = {name: w for name, w in model.named_parameters() if w.is_floating_point()}
    weight = first_not_finite(weights)
    if weight is not None:
        return f"the backbone's weights {weight} are not"
    for index, layer in enumerate(cache.layers):
        state = None if cache.memory is None else cache.memory.layers.get(index)
        if state is not None and not bool(state[row].isfinite().all()):
            return f"the memory state of layer {index} is not"
        kept = [getattr(layer, name, None) for name in ("keys", "values")]
        if not all(bool(x[row].isfinite().all()) for x in kept if x is not None):
            return f"the first keys or values that are not are those of layer {index}"
    return f"keys and values of all {len(cache.layers)} layers are, so that it is the last layer"
