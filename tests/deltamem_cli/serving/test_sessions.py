"""Sessions in this process: what is kept, what is not taken over, and who has to wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deltamem import load_adapter
from deltamem.backbone import tiny_folder
from deltamem.conversation.answering import Answering
from deltamem_base.faults import InvalidInput
from deltamem_cli.serving.asked import Asked, Defaults
from deltamem_cli.serving.bounds import RequestLimits, SessionBounds
from deltamem_cli.serving.refusal import Refusal
from deltamem_cli.serving.session_files import SessionFiles
from deltamem_cli.serving.sessions import Answered, Sessions
from deltamem_cli.serving.turns import Ended, Turns
from deltamem_evaluations.sample import Decoding

DECODING = Decoding(max_new_tokens=24)
ASKED = Asked(
    system=None,
    history=(),
    newest="Where is Ada today?",
    answering=Answering(decoding=DECODING),
    context="none",
    user=None,
    stream=False,
    include_usage=False,
)
OSLO = "Today Ada is in Oslo."


@pytest.fixture
def sessions(tiny: Any, tmp_path: Path) -> Callable[..., Sessions]:
    memory = load_adapter(tiny_folder() / "adapters" / "msw", tiny)

    def make(*, in_memory: int = 8, **bounds: Any) -> Sessions:
        return Sessions(
            tiny,
            memory,
            defaults=Defaults(
                model="tiny",
                decoding=DECODING,
                seed=0,
                context="none",
                system=None,
                limits=RequestLimits(),
            ),
            files=SessionFiles(SessionBounds(folder=str(tmp_path), **bounds)),
            in_memory=in_memory,
            log=lambda sentence: None,
        )

    return make


def say(sessions: Sessions, session: str | None, newest: str, **how: Any) -> Answered:
    check = how.pop("check", lambda: None)
    asked = replace(ASKED, newest=newest, **how)
    return sessions.answer(asked, session, on_text=lambda piece: None, check=check)


@pytest.mark.parametrize("context", ["none", "visible"])
def test_what_is_held_changes_no_answer(context: str, sessions: Callable[..., Sessions]) -> None:
    sampled = Answering(decoding=replace(DECODING, temperature=1.0), seed=5)
    lines = (OSLO, "Today Ben is in Rome.", "Where is Ada today?")
    told = [
        [say(made, name, line, context=context, answering=sampled).text for line in lines]
        for made, name in ((sessions(), "a"), (sessions(in_memory=0), "b"))
    ]
    assert told[0] == told[1]


def test_a_session_of_its_own_for_each_request(sessions: Callable[..., Sessions]) -> None:
    made = sessions()
    say(made, None, OSLO)
    assert say(made, None, ASKED.newest).messages == 2
    turn = ({"role": "user", "content": OSLO}, {"role": "assistant", "content": "Fine."})
    told = say(made, None, ASKED.newest, history=turn)
    assert (told.text, told.messages) == (OSLO, 4)


def test_a_turn_is_kept_or_leaves_no_trace(
    sessions: Callable[..., Sessions], tmp_path: Path
) -> None:
    made = sessions(bytes=100)
    with pytest.raises(Refusal, match="more than the 100 that all sessions may have"):
        say(made, "a", OSLO)
    assert list(tmp_path.iterdir()) == []
    made = sessions()
    say(made, "a", OSLO)
    (kept,) = tmp_path.iterdir()
    before = kept.read_bytes()

    def cut() -> None:
        raise KeyboardInterrupt

    later = ({"role": "user", "content": "Today Ada is in Rome."},)
    later = (*made_history(OSLO, say(sessions(), "b", OSLO).text), *later)
    later = (*later, {"role": "assistant", "content": "Fine."})
    for fault, how in (
        (KeyboardInterrupt, {"check": cut}),
        (InvalidInput, {"newest": "word " * 3000}),
        (Refusal, {"system": "Be brief."}),
        (Refusal, {"history": made_history("Never said.", "No.")}),
    ):
        with pytest.raises(fault):
            say(made, "a", **{"newest": ASKED.newest, "history": later, **how})
    assert kept.read_bytes() == before
    assert say(made, "a", ASKED.newest).text == OSLO
    assert say(made, "b", ASKED.newest, history=later).text == "Today Ada is in Rome."


def made_history(text: str, answer: str) -> tuple[dict[str, str], ...]:
    return ({"role": "user", "content": text}, {"role": "assistant", "content": answer})


def test_a_file_that_cannot_be_read_is_no_empty_memory(
    sessions: Callable[..., Sessions], tmp_path: Path
) -> None:
    say(sessions(), "a", OSLO)
    (kept,) = tmp_path.iterdir()
    kept.write_bytes(kept.read_bytes()[:-1])
    with pytest.raises(Refusal, match="name another session") as refused:
        say(sessions(), "a", ASKED.newest)
    assert str(tmp_path) not in str(refused.value)


def test_what_is_gone_from_the_disk_is_forgotten(
    sessions: Callable[..., Sessions], tmp_path: Path
) -> None:
    made = sessions()
    say(made, "a", OSLO)
    for path in tmp_path.iterdir():
        path.unlink()
    again = say(made, "a", ASKED.newest)
    assert again.messages == 2
    assert again.text != OSLO


def test_the_queue_is_bounded_and_who_leaves_is_skipped(
    sessions: Callable[..., Sessions],
) -> None:
    turns = Turns(sessions(), waiting=2)

    async def run() -> list[Ended]:
        first = turns.begin(replace(ASKED, newest=OSLO), "a")
        left = turns.begin(replace(ASKED, newest="Today Ada is in Rome."), "a")
        left.leave()
        with pytest.raises(Refusal, match="ask again in a moment") as busy:
            turns.begin(ASKED, "a")
        assert (busy.value.status, busy.value.headers) == (503, {"retry-after": "1"})
        ends = [await end(first), await end(left)]
        return [*ends, await end(turns.begin(ASKED, "a"))]

    async def end(turn: Any) -> Ended:
        while not isinstance(event := await turn.events.get(), Ended):
            pass
        return event

    try:
        first, left, last = asyncio.run(run())
    finally:
        turns.stop()
    assert first.answered is not None
    assert left.answered is None
    assert last.answered is not None
    assert (last.answered.text, last.answered.messages) == (OSLO, 4)
