"""Conversations of many sessions with one backbone: a turn is taken over whole or not at all.

All of it runs in one thread. The file of a session is the truth: what is held in memory beside it
only saves reading a conversation again, and goes where its file is gone.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from deltamem.adapter.delta_memory import DeltaMemory
from deltamem.backbone import Backbone, Generation, system_turn
from deltamem.conversation.conversation import Conversation
from deltamem_base.counts import counted
from deltamem_base.faults import Fault
from deltamem_cli.serving.asked import Asked, Defaults
from deltamem_cli.serving.refusal import Refusal
from deltamem_cli.serving.session_files import SessionFiles
from deltamem_cli.serving.unseen import NOT_AGAIN, check_instructions, unseen_turns

__all__ = ["Answered", "Sessions"]


@dataclass(frozen=True, kw_only=True)
class Answered:
    """An answer, once its turn is written to the memory and kept."""

    text: str
    generation: Generation
    messages: int
    """Messages that the memory has seen with this turn, instructions left out."""
    notes: tuple[str, ...]
    """Sentences on what was done to the history for this turn."""


class Sessions:
    """Answers requests from the memory of their sessions."""

    def __init__(
        self,
        backbone: Backbone,
        memory: DeltaMemory,
        *,
        defaults: Defaults,
        files: SessionFiles,
        in_memory: int,
        log: Callable[[str], None],
    ) -> None:
        """No conversation is read before it is asked for.

        Args:
            backbone: the frozen model.
            memory: the adapter.
            defaults: settings for what requests leave open.
            files: where sessions are kept.
            in_memory: number of conversations that are held with their keys and values.
            log: told what the server's owner has to know.
        """
        self._backbone, self._memory, self._defaults = backbone, memory, defaults
        self._files, self._in_memory, self._log = files, in_memory, log
        self._held: OrderedDict[str, Conversation] = OrderedDict()

    def answer(
        self,
        asked: Asked,
        session: str | None,
        *,
        on_text: Callable[[str], None],
        check: Callable[[], None],
    ) -> Answered:
        """Write what the session has not seen, answer the newest message, write both, and keep it.

        Args:
            asked: the request.
            session: its name; None is a memory of its own for this request.
            on_text: told of each piece of the answer.
            check: called between steps; what it raises ends the turn, which leaves no trace.

        Raises:
            Refusal: another history than the session's, or a session that cannot be read or kept.
            InvalidInput: messages that do not fit in the window, or that are empty.
            CannotWrite: the session cannot be kept.
        """
        talk = self._conversation(asked, session)
        instructions = next((m["content"] for m in system_turn(talk.snapshot.messages)), None)
        check_instructions(instructions, asked.system)
        turns, notes = unseen_turns(talk.snapshot.said, asked.history), list[str]()
        talk.context = asked.context
        with talk.all_or_none():
            for text, answer in turns:
                check()
                notes += talk.tell(text, answer)
            reply = talk.say(
                asked.newest, answering=asked.answering, on_text=on_text, on_token=check
            )
            if session is not None:
                self._files.keep(session, talk.save)
                self._hold(session, talk)
        return Answered(
            text=reply.text,
            generation=reply.generation,
            messages=len(talk.snapshot.said),
            notes=(*notes, *reply.notes),
        )

    def _conversation(self, asked: Asked, session: str | None) -> Conversation:
        """The conversation of a session: held, read from its file, or a new one."""
        path = None if session is None else self._files.find(session)
        if session is None or path is None:
            self._held.pop(session or "", None)
            return self._new(self._defaults.system if asked.system is None else asked.system)
        if session in self._held:
            return self._held[session]
        talk = self._new(None)
        try:
            talk.load(path)
        except Fault as fault:
            self._log(f"a session cannot be read: {fault}")
            raise Refusal(
                "the memory of this session cannot be read: it is damaged, or belongs to another "
                "model or adapter; the server's log says more: name another session",
                status=409,
                code="unreadable_session",
                headers=NOT_AGAIN,
            ) from fault
        self._log(f"read a session of {counted(len(talk.snapshot.said), 'message')}")
        return talk

    def _new(self, system: str | None) -> Conversation:
        return Conversation(
            self._backbone,
            self._memory,
            decoding=self._defaults.decoding,
            context=self._defaults.context,
            system=system,
            seed=self._defaults.seed,
        )

    def _hold(self, session: str, talk: Conversation) -> None:
        self._held[session] = talk
        self._held.move_to_end(session)
        while len(self._held) > self._in_memory:
            self._held.popitem(last=False)
