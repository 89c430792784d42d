"""A conversation as a value: messages, their tokens, and their keys and values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import groupby

import torch

from deltamem.adapter.delta_memory import DeltaMemory
from deltamem.attachment.attach import Attachment
from deltamem.backbone import Backbone, MemoryCache, Rendered, embedding_weight, system_turn
from deltamem.memory.inspection import TurnNumbers
from deltamem.memory.observation import turn_numbers
from deltamem.memory.writing import segment_ids
from deltamem.state import MemoryState

__all__ = ["Snapshot", "read_again", "read_on", "rendered_again", "without_oldest"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Snapshot:
    """A conversation at one moment; never changed, only replaced."""

    state: MemoryState
    messages: tuple[Mapping[str, str], ...] = ()
    """All messages, a leading system message included."""
    turns: tuple[TurnNumbers, ...] = ()
    whole: bool = True
    """Whether ``messages`` are all that was ever written."""
    shown_from: int = 0
    """Number of messages after the system message that are out of view, for they were too many."""
    ids: tuple[int, ...] = ()
    """Tokens of the messages from there on, as they were read or written."""
    cache: MemoryCache | None = None
    """Keys and values of these tokens; None while they are out of view or have yet to be read."""

    @property
    def said(self) -> tuple[Mapping[str, str], ...]:
        """The messages without a leading system message."""
        return self.messages[len(system_turn(self.messages)) :]

    @property
    def shown(self) -> list[Mapping[str, str]]:
        """The messages that come into view where any do."""
        return [*system_turn(self.messages), *self.said[self.shown_from :]]


def rendered_again(now: Snapshot, backbone: Backbone) -> Snapshot:
    """The same conversation with its messages' tokens of now, and nothing in the cache."""
    ids = backbone.render_history(now.shown).ids
    return replace(now, ids=tuple(ids), cache=None)


def without_oldest(now: Snapshot, backbone: Backbone, *, budget: int) -> Snapshot:
    """The conversation without as many of its oldest turns as leaves at most ``budget`` tokens."""
    starts = [i for i, m in enumerate(now.said) if m["role"] == "user" and i > now.shown_from]
    for start in [*starts, len(now.said)]:
        now = rendered_again(replace(now, shown_from=start), backbone)
        if len(now.ids) <= budget:
            break
    return now


def read_again(now: Snapshot, backbone: Backbone, memory: DeltaMemory, *, reach: int) -> Snapshot:
    """Fill a cache with what is in view, turn by turn as a conversation of these messages would.

    The state that this leaves behind is dropped: what was written once stays what it is.
    ``reach``: tokens that may come to be in view, see :class:`MemoryCache`.
    """
    cache = MemoryCache(config=backbone.model.config)
    cache.reach = [reach]
    shown = now.shown if now.ids else []
    rendered = backbone.render_history(shown)
    turns = turn_numbers(rendered, shown)
    state, start = memory.zeros(1), 0
    with memory.attach(backbone.model) as attached:
        for _, tokens in groupby(turns):
            stop = start + len(list(tokens))
            state = read_on(attached, rendered.first(stop), cache, state=state, start=start)
            start = stop
    return replace(now, cache=cache)


def read_on(
    attached: Attachment, rendered: Rendered, cache: MemoryCache, *, state: MemoryState, start: int
) -> MemoryState:
    """Read and write the tokens from ``start`` on, after those that ``cache`` holds.

    Returns:
        The state after the last token; the cache has grown.
    """
    device = embedding_weight(attached.model).device
    ids = torch.tensor([rendered.ids[start:]], device=device)
    unit = attached.memory.config.writer.segment_unit
    _, after = attached.forward(
        ids,
        ids.new_ones(1, len(rendered.ids)),
        state=state,
        segments=segment_ids(unit, [rendered], [slice(start, None)], like=ids),
        logits=False,
        past_key_values=cache,
        use_cache=True,
    )
    return after
