"""A conversation with a backbone and its δ-mem: every turn is answered, then written.

An answer is read off with writes off, as in training: from the state that all earlier turns left,
before the first one from that of the instructions, and with ``context=visible`` from their keys and
values. When it is whole, the user's message and the answer are rendered as the chat template shows
them from now on, and written. Everything a turn changes is put into a new value, which takes the
place of the old one at the very end; a turn that fails leaves the conversation as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from deltamem.adapter.delta_memory import DeltaMemory
from deltamem.backbone import Backbone, DecodingLike, Generation, Rendered
from deltamem.conversation.answering import Answering, answer_of
from deltamem.conversation.room import check_fits, room_for
from deltamem.conversation.snapshot import Snapshot, read_on, rendered_again
from deltamem.memory.observation import observed, write_observed
from deltamem.memory.state_file import Transcript, load_state, save_state
from deltamem.memory.writing import write_windows
from deltamem_base.faults import InvalidInput, check_choice

__all__ = ["Conversation", "Reply"]

CONTEXTS = ("none", "visible")
THOUGHT = "</think>"
"""Ends the part of an answer that many chat templates no longer show in later turns."""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """An answer."""

    text: str
    generation: Generation
    notes: tuple[str, ...]
    """Sentences on what was done to the history for this turn."""


class Conversation:
    """Turns with one backbone and one adapter."""

    def __init__(
        self,
        backbone: Backbone,
        memory: DeltaMemory,
        *,
        decoding: DecodingLike,
        context: str = "visible",
        system: str | None = None,
        seed: int = 0,
    ) -> None:
        """An empty conversation.

        Args:
            backbone: the frozen model.
            memory: the adapter.
            decoding: how answers are decoded.
            context: ``visible``, or ``none``: what was said is only in the memory.
            system: instructions that always stay in view.
            seed: of sampled answers; each turn has random numbers of its own.

        Raises:
            InvalidInput: a context that does not exist, or decoding settings that make no sense.
        """
        self.backbone, self.memory = backbone, memory
        self._answering = Answering(decoding=decoding, seed=seed)
        self._system = () if system is None else ({"role": "system", "content": system},)
        self.context = context
        self.forget()

    @property
    def context(self) -> str:
        """``visible`` or ``none``; may be changed between turns.

        Raises:
            InvalidInput: another value.
        """
        return self._context

    @context.setter
    def context(self, context: str) -> None:
        """Say what the next turn has in view."""
        check_choice("context", context, CONTEXTS)
        self._context = context

    @property
    def snapshot(self) -> Snapshot:
        """The conversation as it is now."""
        return self._now

    def forget(self) -> None:
        """Start anew: the empty state, nothing said."""
        self._now = Snapshot(state=self.memory.zeros(1), messages=self._system)

    @torch.no_grad()
    def say(
        self,
        text: str,
        *,
        answering: Answering | None = None,
        on_text: Callable[[str], None] = lambda piece: None,
        on_token: Callable[[], None] = lambda: None,
    ) -> Reply:
        """Answer a message and write both.

        Args:
            text: of the user's message.
            answering: how; None is as the conversation was made.
            on_text: told of each piece of the answer as it is generated.
            on_token: called after each token; what it raises ends the turn, which leaves no trace.

        Raises:
            InvalidInput: an empty message, one that does not fit in the window, or turns that the
                chat template refuses; the conversation is as it was before.
        """
        said, notes = _user_message(text), list[str]()
        answering = answering or self._answering
        now = self._room_for(said, notes, max_new_tokens=answering.decoding.max_new_tokens)
        generation = answer_of(
            now,
            said,
            backbone=self.backbone,
            memory=self.memory,
            in_view=self.context == "visible",
            answering=answering,
            on_text=on_text,
            on_token=on_token,
        )
        self._now = self._with_turn(now, said, generation.text, notes)
        return Reply(text=generation.text, generation=generation, notes=tuple(notes))

    @torch.no_grad()
    def tell(self, text: str, answer: str) -> tuple[str, ...]:
        """Write a turn whose answer is known, as if it had been given here.

        Args:
            text: of the user's message.
            answer: what was answered, here or elsewhere.

        Returns:
            Sentences on what was done to the history for this turn.

        Raises:
            InvalidInput: as :meth:`say`; with ``context=visible`` also a turn that does not fit in
                the window.
        """
        said, notes = _user_message(text), list[str]()
        if self.context == "none":
            now = replace(self._now, cache=None)
        else:
            spoken = self.backbone.tokenizer(answer, add_special_tokens=False)["input_ids"]
            limit = max(self._answering.decoding.max_new_tokens, len(spoken))
            now = self._room_for(said, notes, max_new_tokens=limit, answer_tokens=len(spoken))
        self._now = self._with_turn(now, said, answer.strip(), notes)
        return tuple(notes)

    @contextmanager
    def all_or_none(self) -> Iterator[None]:
        """The turns of the block are taken together: if it raises, all is as it was before."""
        before = self._now
        try:
            yield
        except BaseException:
            self._now = before
            raise

    def save(self, path: Path, *, text: bool = True) -> Path:
        """Write a ``.dmstate`` file; without ``text`` it holds no word of what was said.

        Raises:
            Fault: the file cannot be written.
        """
        now = self._now
        transcript = Transcript(
            turns=now.turns,
            messages=now.messages if text else None,
            whole=now.whole and text,
            shown_from=now.shown_from if text else 0,
        )
        return save_state(
            path, now.state, memory=self.memory, backbone=self.backbone, transcript=transcript
        )

    def load(self, path: Path) -> None:
        """Go on from a file; what is in view is read again at the next turn.

        Raises:
            Unavailable: no such file.
            InvalidInput: it is damaged, or belongs to another backbone, adapter or tokenizer; the
                conversation is as it was before.
        """
        saved = load_state(path, memory=self.memory, backbone=self.backbone)
        if saved.state.batch_size != 1:
            raise InvalidInput(f"{path} holds {saved.state.batch_size} sequences, not one")
        told = saved.manifest.transcript
        messages = self._system if told.messages is None else told.messages
        now = Snapshot(
            state=saved.state,
            messages=messages,
            turns=told.turns,
            whole=told.whole and told.messages is not None,
            shown_from=told.shown_from,
        )
        written = bool(now.turns) or not now.state.is_zero
        self._now = rendered_again(now, self.backbone) if written else now

    def _room_for(
        self,
        said: Mapping[str, str],
        notes: list[str],
        *,
        max_new_tokens: int,
        answer_tokens: int = 0,
    ) -> Snapshot:
        """The conversation as it is in view before a message; see :func:`room_for`."""
        if self.context == "none":
            check_fits(said, self._now, self.backbone)
            return replace(self._now, cache=None)
        return room_for(
            said,
            self._now,
            backbone=self.backbone,
            memory=self.memory,
            max_new_tokens=max_new_tokens,
            answer_tokens=answer_tokens,
            notes=notes,
        )

    def _with_turn(
        self, now: Snapshot, said: Mapping[str, str], answer: str, notes: list[str]
    ) -> Snapshot:
        """The conversation after a turn was written to the state and, in view, to the cache."""
        now = replace(now, messages=(*now.messages, said))
        now, rendered = self._with_answer(now, answer)
        start = len(now.ids)
        if tuple(rendered.ids[:start]) != now.ids:
            return self._written_again(now, notes)
        fresh = [0] * (len(rendered.ids) - start)
        model = self.backbone.model
        with observed(self.memory, model, fresh) as seen, self.memory.attach(model) as attached:
            if now.cache is None:
                cache = None
                state = write_windows(
                    attached,
                    self.backbone,
                    [rendered],
                    state=now.state,
                    window=self.backbone.window,
                    start=[start],
                )
            else:
                cache = now.cache.selected([0]) if start else now.cache
                state = read_on(attached, rendered, cache, state=now.state, start=start)
        turns = (*now.turns, *seen.numbers())
        return replace(now, state=state, turns=turns, ids=tuple(rendered.ids), cache=cache)

    def _with_answer(self, now: Snapshot, answer: str) -> tuple[Snapshot, Rendered]:
        """The conversation with an answer as later turns show it, perhaps without its thinking."""
        for text in dict.fromkeys((answer, answer.rpartition(THOUGHT)[2].strip())):
            told = replace(now, messages=(*now.messages, {"role": "assistant", "content": text}))
            try:
                return told, self.backbone.render_history(told.shown)
            except InvalidInput as fault:
                refused = fault
        raise refused

    def _written_again(self, now: Snapshot, notes: list[str]) -> Snapshot:
        """Write all messages anew: the template shows earlier turns otherwise once others follow.

        The state would be that of a text which no longer stands there.
        """
        if not now.whole:
            raise InvalidInput(
                f"the chat template of {self.backbone.name} now shows earlier turns "
                "differently, and part of their text was left out of the loaded file, so "
                "they cannot be written again: start afresh with /forget"
            )
        state, turns = write_observed(
            self.memory, self.backbone, now.messages, window=self.backbone.window, join=None
        )
        notes.append(
            f"the chat template of {self.backbone.name} shows earlier turns differently now: the "
            "conversation was written again from its text"
        )
        return rendered_again(replace(now, state=state, turns=turns), self.backbone)


def _user_message(text: str) -> dict[str, str]:
    """Raises InvalidInput for a message that says nothing."""
    said = {"role": "user", "content": text.strip()}
    if not said["content"]:
        raise InvalidInput("the message is empty; say something")
    return said
