"""The layers with a memory: all, a third of the depth (the paper's Table 4), or any by number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from annotated_types import Ge, MinLen

from deltamem_base.faults import InvalidInput

__all__ = ["THIRDS", "Layers", "layer_indices", "name_of_layers"]

Layers = Annotated[Sequence[Annotated[int, Ge(0)]], MinLen(1)] | str | None

THIRDS = ("first_third", "middle_third", "last_third")


def layer_indices(layers: Layers, *, depth: int) -> tuple[int, ...]:
    """The indices that a choice of layers means in a decoder of ``depth`` layers.

    Thirds are as equal as whole layers allow: 12, 12 and 12 of 36.

    Raises:
        InvalidInput: an unknown name, or a layer that is not there.
    """
    if layers is None or layers == "all":
        return tuple(range(depth))
    if isinstance(layers, str):
        if layers not in THIRDS:
            raise InvalidInput(
                f"layers is '{layers}'; choose one of all, {', '.join(THIRDS)}, or numbers"
            )
        part = THIRDS.index(layers)
        return tuple(range(depth * part // 3, depth * (part + 1) // 3))
    for index in layers:
        if not 0 <= index < depth:
            raise InvalidInput(
                f"layers names layer {index}, but the decoder has layers 0 to {depth - 1}"
            )
    return tuple(sorted(set(layers)))


def name_of_layers(indices: Sequence[int], *, depth: int) -> str:
    """``all``, the third, or the numbers: what a record says of an adapter's layers."""
    for name in ("all", *THIRDS):
        if tuple(indices) == layer_indices(name, depth=depth):
            return name
    return ",".join(map(str, indices))
