"""Which messages a session has not seen, from conversations made by hand."""

from __future__ import annotations

import pytest

from deltamem_cli.serving.refusal import Refusal
from deltamem_cli.serving.unseen import check_instructions, unseen_turns


def messages(letters: str) -> list[dict[str, str]]:
    """User's messages in small letters, answers in capitals."""
    roles = {True: "user", False: "assistant"}
    return [{"role": roles[letter.islower()], "content": letter} for letter in letters]


@pytest.mark.parametrize(
    ("seen", "sent", "fresh"),
    [
        ("", "", ""),
        ("", "aBcD", "aBcD"),
        ("aBcD", "", ""),
        ("aBcD", "cD", ""),
        ("aBcD", "BcD", ""),
        ("aBcD", "aBcD", ""),
        ("aBcD", "aBcDeF", "eF"),
        ("aBaB", "aB", ""),
        ("aB", "aBaB", "aB"),
    ],
)
def test_each_message_is_written_once(seen: str, sent: str, fresh: str) -> None:
    found = unseen_turns(messages(seen), messages(sent))
    assert "".join(a + b for a, b in found) == fresh


@pytest.mark.parametrize(
    ("seen", "sent", "status"),
    [
        ("aBcD", "aB", 409),
        ("aBcD", "aBcX", 409),
        ("aBcD", "xBcDeF", 409),
        ("aBcD", "cDeF", 409),
        ("aB", "X", 409),
        ("", "Ab", 400),
        ("", "X", 400),
    ],
)
def test_another_history_is_refused(seen: str, sent: str, status: int) -> None:
    with pytest.raises(Refusal) as refused:
        unseen_turns(messages(seen), messages(sent))
    assert refused.value.status == status
    assert status == 400 or refused.value.headers == {"x-should-retry": "false"}


def test_thinking_and_space_may_be_left_out_of_an_answer() -> None:
    seen = [*messages("a"), {"role": "assistant", "content": "<think>well</think>\n\nB"}]
    assert unseen_turns(seen, messages("aB")) == []
    with pytest.raises(Refusal):
        unseen_turns(seen, messages("aW"))


def test_instructions_stay_what_they_were() -> None:
    for kept, sent in ((None, None), ("Be brief.", None), ("Be brief.", " Be brief. ")):
        check_instructions(kept, sent)
    for kept, sent in ((None, "Be brief."), ("Be brief.", "Be long.")):
        with pytest.raises(Refusal, match="not the one that this session began with"):
            check_instructions(kept, sent)
