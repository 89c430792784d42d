"""The answer of one turn: decoded from the memory and from what is in view, with writes off."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch

from deltamem.adapter.delta_memory import DeltaMemory
from deltamem.backbone import (
    Backbone,
    DecodingLike,
    Generation,
    MemoryCache,
    Rendered,
    Start,
    StopTexts,
    TextStream,
    check_decoding,
    generate,
    system_turn,
)
from deltamem.conversation.snapshot import Snapshot
from deltamem.memory.writing import write_windows
from deltamem.state import MemoryState
from deltamem_base.seeds import seed_of

__all__ = ["Answering", "answer_of"]


@dataclass(frozen=True, kw_only=True)
class Answering:
    """The settings by which a message is answered."""

    decoding: DecodingLike
    seed: int = 0
    """Seed of sampled answers; each turn has random numbers of its own."""
    stop: tuple[str, ...] = ()
    """Texts before which an answer ends; none is empty."""

    def __post_init__(self) -> None:
        check_decoding(self.decoding)


def answer_of(
    now: Snapshot,
    said: Mapping[str, str],
    *,
    backbone: Backbone,
    memory: DeltaMemory,
    in_view: bool,
    answering: Answering,
    on_text: Callable[[str], None],
    on_token: Callable[[], None],
) -> Generation:
    """Decode from a conversation, which stays as it is.

    Args:
        now: the conversation before the message.
        said: the message.
        backbone: the frozen model.
        memory: the adapter.
        in_view: whether earlier messages are.
        answering: how to decode.
        on_text: told of each piece of the answer.
        on_token: called after each token; what it raises ends the answer.
    """
    shown = now.shown if in_view else system_turn(now.messages)
    rendered = backbone.render([*shown, said], add_generation_prompt=True)
    ids = rendered.ids
    past = len(now.ids)
    if now.cache is not None and past and tuple(ids[:past]) == now.ids:
        cache, mask = now.cache.forked(), torch.ones(1, past, dtype=torch.bool)
    else:
        # nothing is in view, or the template shows it differently before this message
        cache, mask, past = MemoryCache(config=backbone.model.config), None, 0
    cache.memory = _found(now, rendered, backbone=backbone, memory=memory)
    until = StopTexts(answering.stop, on_text)
    stream = TextStream(backbone, until.push)

    def take(row: int, token: int) -> bool:
        stream.push(token)
        on_token()
        return until.met

    with memory.attach(backbone.model, write=False):
        (generation,) = generate(
            backbone,
            [ids[past:]],
            answering.decoding,
            seeds=[seed_of(f"{answering.seed}:{len(now.turns)}")],
            start=Start(cache=cache, rows=[0], past=mask),
            on_token=take,
        )
    stream.close()
    until.close()
    return replace(generation, text=until.passed, finish="stop") if until.met else generation


def _found(
    now: Snapshot, rendered: Rendered, *, backbone: Backbone, memory: DeltaMemory
) -> MemoryState:
    """The state that an answer finds: the one that earlier turns left.

    Before the first turn it is that of the instructions, the user's or the chat template's own,
    which are written with the turn later: nothing can be read from an empty state, so that the
    first answer would be the bare backbone's.
    """
    if not now.state.is_zero:
        return now.state
    opening = rendered.first(rendered.message_ids.index(0))
    with memory.attach(backbone.model) as attached:
        return write_windows(attached, backbone, [opening], state=now.state, window=backbone.window)
