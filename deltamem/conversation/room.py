"""Room in the backbone's window for a turn beside what was said before."""

from __future__ import annotations

from collections.abc import Mapping

from deltamem.adapter.delta_memory import DeltaMemory
from deltamem.backbone import Backbone, system_turn
from deltamem.backbone.rotation import rotated_alike
from deltamem.conversation.snapshot import Snapshot, read_again, without_oldest
from deltamem_base.faults import InvalidInput

__all__ = ["check_fits", "room_for"]


def check_fits(
    said: Mapping[str, str], now: Snapshot, backbone: Backbone, *, answer_tokens: int = 0
) -> int:
    """Tokens of a message with its instructions, which the window must hold.

    Args:
        said: the message.
        now: the conversation before it.
        backbone: the frozen model.
        answer_tokens: those of an answer that is known, which the window must hold as well.

    Raises:
        InvalidInput: it does not.
    """
    question = [*system_turn(now.messages), said]
    size = len(backbone.render(question, add_generation_prompt=True).ids)
    if size + answer_tokens >= backbone.window:
        what = "turn" if answer_tokens else "message"
        raise InvalidInput(
            f"the {what} has {size + answer_tokens} tokens with its instructions, but the backbone "
            f"attends to only {backbone.window}: make it shorter"
        )
    return size


def room_for(
    said: Mapping[str, str],
    now: Snapshot,
    *,
    backbone: Backbone,
    memory: DeltaMemory,
    max_new_tokens: int,
    answer_tokens: int,
    notes: list[str],
) -> Snapshot:
    """The conversation with its messages in view, the oldest left out where they are too many.

    Args:
        said: the message that comes next.
        now: the conversation before it.
        backbone: the frozen model.
        memory: the adapter.
        max_new_tokens: of an answer that is to be decoded.
        answer_tokens: those of an answer that is known, for which there must be room.
        notes: a sentence is added where messages go out of view.

    Raises:
        InvalidInput: the window does not even hold the turn itself.
    """
    window = backbone.window
    size = check_fits(said, now, backbone, answer_tokens=answer_tokens)
    room = max(window - size - max(min(max_new_tokens, window // 2), answer_tokens), 0)
    if len(now.ids) > room and now.shown_from < len(now.said):
        now = without_oldest(now, backbone, budget=room // 2)
        notes.append(
            f"the oldest {now.shown_from} messages are out of view now; the memory keeps what "
            "was written of them"
        )
    reach = min(len(now.ids) + size + max_new_tokens, window)
    read = now.cache is not None and now.cache.reach
    if read and rotated_alike(backbone.model, read, [reach]):
        return now
    return read_again(now, backbone, memory, reach=reach)
