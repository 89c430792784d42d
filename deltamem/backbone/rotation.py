"""Rotary positions that depend on how long a sequence is: each row's own length, not the batch's.

transformers recomputes the frequencies of some models by the longest row of a batch (``longrope``
beyond ``original_max_position_embeddings``, ``dynamic`` beyond what was trained), so that a short
prompt would be answered otherwise beside a long one, and ``dynamic`` by what was asked before. Here
rows of one length class are rotated together, every class by itself.

Keys in a cache keep the rotation that they were read with. A sequence that may grow past a
threshold is therefore rotated from its first token on as it has to be at its longest
(``MemoryCache.reach``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["rotate_by_row", "rotated_alike"]

LONGROPE, DYNAMIC = "longrope", "dynamic"
"""Names that transformers gives to what it recomputes by length."""


def rotate_by_row(model: PreTrainedModel) -> None:
    """Have every row of a batch rotated as if it were alone; other models are left as they are."""
    rotaries = [_ByRow(module) for module in model.modules() if _depends_on_length(module)]
    for rotary in rotaries:
        rotary.module.forward = rotary.forward
    if rotaries:
        base = model.get_decoder()
        base.forward = _Base(base.forward, rotaries).forward


def rotated_alike(
    model: PreTrainedModel, some: Sequence[int] | None, others: Sequence[int] | None
) -> bool:
    """Whether sequences of some lengths are rotated as those of others; None is like any."""
    if some is None or others is None:
        return True
    kinds = [(m, kind) for m in model.modules() for kind in _kinds(m) if _moves(m, kind)]
    pairs = list(zip(some, others, strict=True))
    return all(_class(m, kind, a) == _class(m, kind, b) for m, kind in kinds for a, b in pairs)


def _depends_on_length(module: nn.Module) -> bool:
    return any(_moves(module, kind) for kind in _kinds(module))


def _kinds(module: Any) -> Sequence[str | None]:
    """Types of layers that a rotary module tells apart; None where it does not."""
    named = getattr(module, "rope_type", None)
    return list(named) if isinstance(named, dict) else [None]


def _rope_type(module: Any, kind: str | None) -> str:
    named: Any = getattr(module, "rope_type", None)
    return str(named if kind is None else named[kind])


def _moves(module: Any, kind: str | None) -> bool:
    name = _rope_type(module, kind)
    return DYNAMIC in name or name == LONGROPE


def _class(module: Any, kind: str | None, length: int) -> int:
    """The length class: a length itself where every length has frequencies of its own."""
    if _rope_type(module, kind) == LONGROPE:
        parameters = module.config.rope_parameters
        parameters = parameters if kind is None else parameters[kind]
        return int(length > parameters["original_max_position_embeddings"])
    return max(length, int(module.original_max_seq_len))


# Objects with methods and no closures: a copy of the model then has copies of them.
class _ByRow:
    """A rotary module that is asked for one length class at a time."""

    def __init__(self, module: Any) -> None:
        self.module, self.inner = module, module.forward
        self.reach: Sequence[int] | None = None

    def forward(self, x: Tensor, position_ids: Tensor, layer_type: str | None = None) -> Any:
        named = {} if layer_type is None else {"layer_type": layer_type}
        if not _moves(self.module, layer_type):
            return self.inner(x, position_ids, **named)
        lengths = [longest + 1 for longest in position_ids.amax(1).tolist()]
        if self.reach is not None:
            lengths = lengths * (len(self.reach) if len(lengths) == 1 else 1)
            lengths = [max(pair) for pair in zip(lengths, self.reach, strict=True)]
            position_ids = position_ids.expand(len(lengths), -1)
        classes: dict[int, list[int]] = {}
        for row, length in enumerate(lengths):
            classes.setdefault(_class(self.module, layer_type, length), []).append(row)
        parts: list[tuple[Tensor, ...]] = []
        for rows in classes.values():
            longest = max(lengths[row] for row in rows)
            parts.append(self._rotated(x, position_ids[rows], longest, named))
        order = torch.tensor([row for rows in classes.values() for row in rows]).argsort()
        return tuple(torch.cat(same)[order.to(x.device)] for same in zip(*parts, strict=True))

    def _rotated(
        self, x: Tensor, positions: Tensor, longest: int, named: dict[str, str]
    ) -> tuple[Tensor, ...]:
        """Cosines and sines of rows whose sequences may have ``longest`` tokens."""
        # a first position alone makes ``dynamic`` forget the length it grew to
        self.inner(x, positions.new_zeros(1, 1), **named)
        last = positions.new_full((len(positions), 1), longest - 1)
        rotated = self.inner(x, torch.cat([positions, last], dim=1), **named)
        return tuple(part[:, :-1] for part in rotated)


class _Base:
    """A base model that tells its rotary modules of the rows: their positions and their reach."""

    def __init__(self, inner: Any, rotaries: Sequence[_ByRow]) -> None:
        self.inner, self.rotaries = inner, rotaries

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        mask, given = kwargs.get("attention_mask"), kwargs.get("position_ids")
        if given is None and isinstance(mask, Tensor) and mask.dim() == 2:
            read = kwargs.get("input_ids", args[0] if args else None)
            read = kwargs["inputs_embeds"] if read is None else read
            positions = (mask.long().cumsum(1) - 1).clamp_min(0)
            kwargs["position_ids"] = positions[:, -read.shape[1] :]
        for rotary in self.rotaries:
            rotary.reach = getattr(kwargs.get("past_key_values"), "reach", None)
        try:
            return self.inner(*args, **kwargs)
        finally:
            for rotary in self.rotaries:
                rotary.reach = None
