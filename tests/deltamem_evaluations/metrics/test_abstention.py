"""Whether an answer says that it cannot be told, by phrases."""

from __future__ import annotations

import pytest

from deltamem_evaluations.metrics.abstention import abstains


@pytest.mark.parametrize(
    "answer",
    [
        "You did not mention a cat.",
        "You didn’t mention a cat.",
        "The chats never explicitly mention it.",
        "The information provided is not enough. You told me of dogs.",
        "I don't have enough information to answer that.",
        "There is no information about a cat in these chats.",
        "I do not know.",
        "I cannot determine that from our chats.",
        "I'm unable to answer this.",
        "There's insufficient information.",
        "I could not find any\nmention of it.",
        "You haven't told me that.",
        "There is no record of this.",
    ],
)
def test_it_does(answer: str) -> None:
    assert abstains(answer)


@pytest.mark.parametrize(
    "answer",
    [
        "Your cat is called Momo.",
        "I can't say it often enough: take the train.",
        "Not at nine, but at ten.",
        "No, you have three.",
        "It is not red.",
        "Nobody.",
        "",
    ],
)
def test_it_does_not(answer: str) -> None:
    assert not abstains(answer)
