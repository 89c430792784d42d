"""Write histories to the memory and keep nothing else: no text, no keys, no values.

A long history passes through in windows; the state carries over. With segment writers a segment
stays in one window where it fits in one.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from deltamem.attachment.attach import Attachment
from deltamem.backbone import Backbone, Rendered, left_pad, split_windows
from deltamem.state import MemoryState

__all__ = ["segment_ids", "write_windows"]


@torch.no_grad()
def write_windows(
    attached: Attachment,
    backbone: Backbone,
    rendered: Sequence[Rendered],
    *,
    state: MemoryState,
    window: int,
    start: Sequence[int] | None = None,
) -> MemoryState:
    """Write B histories, windows of different histories side by side.

    Args:
        attached: the memory on the backbone.
        backbone: what reads the histories.
        rendered: B tokenised histories.
        state: of B sequences, before the first of these tokens.
        window: tokens per forward at most.
        start: per history how many leading tokens have been written before.

    Returns:
        The state after the last token of each.
    """
    unit = attached.memory.config.writer.segment_unit
    start = [0] * len(rendered) if start is None else start
    cuts = [_cut(r, first, unit, window) for r, first in zip(rendered, start, strict=True)]
    for number in range(max(map(len, cuts), default=0)):
        rows = [i for i, slices in enumerate(cuts) if number < len(slices)]
        at = [cuts[i][number] for i in rows]
        pieces = [rendered[i].ids[s] for i, s in zip(rows, at, strict=True)]
        ids, mask = left_pad(pieces, fill=backbone.pad_id, device=backbone.device)
        _, after = attached.forward(
            ids,
            mask.long(),
            state=state.select(rows),
            segments=segment_ids(unit, [rendered[i] for i in rows], at, like=ids),
            logits=False,
            use_cache=False,
        )
        state = state.put(rows, after)
    return state


def _cut(rendered: Rendered, first: int, unit: str | None, window: int) -> list[slice]:
    """Windows of a history from token ``first`` on."""
    segments = None if unit is None else rendered.segments(unit)[first:]
    slices = split_windows(len(rendered.ids) - first, window, segments=segments)
    return [slice(s.start + first, s.stop + first) for s in slices]


def segment_ids(
    unit: str | None, rendered: Sequence[Rendered], at: Sequence[slice], *, like: Tensor
) -> Tensor | None:
    """Segment ids (B, T) of the tokens ``at`` of each history, padded left; None without a unit."""
    if unit is None:
        return None
    rows = [r.segments(unit)[s] for r, s in zip(rendered, at, strict=True)]
    return left_pad(rows, fill=-1, device=like.device)[0]
