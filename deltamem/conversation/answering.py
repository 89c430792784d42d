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
    Start,
    StopTexts,
    TextStream,
    check_decoding,
    generate,
    system_turn,
)
from deltamem.conversation.snapshot import Snapshot
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
    ids = backbone.render([*shown, said], add_generation_prompt=True).ids
    past = len(now.ids)
    if now.cache is not None and past and tuple(ids[:past]) == now.ids:
        cache, mask = now.cache.forked(), torch.ones(1, past, dtype=torch.bool)
    else:
        # nothing is in view, or the template shows it differently before this message
        cache, mask, past = MemoryCache(config=backbone.model.config), None, 0
    cache.memory = now.state
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
