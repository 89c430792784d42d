"""The letter of an answer: common phrasings, what is none, and answers of any shape."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltamem_evaluations.metrics.choice import LETTERS, extract_choice

LONGER, SLACK = 16, 4
"""A text that is 16 times as long takes about 16 times as long, and 256 times if each character
looks back at all before it; four times as much as expected is between the two."""
DEEP = r"\text{" * 300 + "B" + "}" * 300
"""Taken off layer by layer, so that the square of the length is expected."""
ROUNDS = 3
"""For 40,000 characters; a pattern that backtracks over them would take minutes."""

STATEMENTS = {
    "The answer is B": "B",
    "the correct answer is (B)": "B",
    "The correct answer is: B": "B",
    "Final answer is: (C)": "C",
    "Final answer: C": "C",
    "The answer is **(B) 10^-4 eV**.": "B",
    "**Answer: B**": "B",
    "**Answer:** B": "B",
    "ANSWER: d": "D",
    "Answer=B": "B",
    "Answer：Ｂ": "B",
    "Answer: B. ten metres": "B",
    "Answer: B) ten metres": "B",
    "Answer: D — ten": "D",
    "The answer is “B”.": "B",
    "The answer is $B$.": "B",
    r"The answer is \(B\).": "B",
    "The answer is a.": "A",
    "The answer is B because it floats": "B",
    "The answer is B (ten metres).": "B",
    "The answer is A, which is a compound": "A",
    "The answer is, therefore, C.": "C",
    "The answer should be choice (A).": "A",
    "The answer would be C": "C",
    "So the answer is option D.": "D",
    "The answer is the option B.": "B",
    "The correct option is C": "C",
    "My choice: D": "D",
    "The correct answer to this question is B.": "B",
    "The answer is B, and A is wrong.": "B",
    "The answer is B, I think.": "B",
    "answer → B": "B",
    "Correct answer - B": "B",
    "✅ **Answer: B** ✅": "B",
    "Thus, the correct answer is:\n\n> **C) 1.2 eV**": "C",
    r"\boxed{\text{Option B}}": "B",
    "**Final Answer**\n\nB": "B",
    "### Answer\n(B)": "B",
    "Final answer:\n**B. 10 eV**": "B",
    "Final Answer: The final answer is C": "C",
    r"answer: \text{B}": "B",
    r"\boxed{B}": "B",
    r"$\boxed{\text{B}}$": "B",
    r"\boxed{\textbf{(C)}\ 10 m}": "C",
    r"The final answer is $\boxed{D}$. I hope it is correct.": "D",
    '{"answer": "C"}': "C",
    '```json\n{\n  "answer": "D"\n}\n```': "D",
    "{'answer': 'a'}": "A",
    '{"answer":"B","confidence":1}': "B",
    '{"reasoning": "x", "final_answer": "B"}': "B",
    '{"correct_option": "B. ten"}': "B",
    "<answer>B</answer>": "B",
    "<answer>\nB\n</answer>": "B",
}
WEAKER = {
    "Option B is correct.": "B",
    "Therefore, B is the correct answer.": "B",
    "(C) is the best choice": "C",
    "I would choose (B).": "B",
    "I'd go with option C.": "C",
    "This corresponds to option D.": "D",
    "B": "B",
    " (b) ": "B",
    "**B**": "B",
    "__B__": "B",
    "B.": "B",
    "`D`": "D",
    "[C]": "C",
    "“B”": "B",
    "Option B": "B",
    "It floats.\n\nTherefore, option (C).": "C",
    "B\n\nIt floats, and the others do not.": "B",
    "B. ten metres": "B",
    "B) ten metres": "B",
    "(B) ten metres": "B",
    "B: ten metres": "B",
    "B - ten metres": "B",
    "B  ten metres": "B",
    "**B. ten metres**\n\nIt floats.": "B",
    "It floats.\n\nB. ten metres": "B",
}
LAST = {
    "The answer is A. Wait, no. The correct answer is C.": "C",
    "\\boxed{A} was wrong.\n\nAnswer: D": "D",
    '{"answer": "A"}\n{"answer": "B"}': "B",
    "B\nNo:\nC": "C",
    "The answer is B.\n\nA. is wrong\nC. is wrong\nD. is wrong": "B",
    "A. one\nB. two\nC. three\nD. four\n\nThe correct answer is (C)": "C",
    "Option A is correct in part.\nThe answer is B.\nD": "B",
}
NONE = [
    "",
    " \n",
    "I do not know",
    "E",
    "Answer: a compound with two rings",
    "Answer: A compound with two rings",
    "Answer: Carbon",
    "Answer: B cells",
    "Answer: A/B",
    "Answer: C,H",
    "The answer is C=O",
    "The answer is C, H and O",
    "The answer is D-glucose",
    "The answer is ABC",
    "The answer is not B",
    "The answer depends on A",
    "The answer is B or C",
    "The answer is (B) or (C)",
    "The answer is A, B and D",
    "The incorrect answer is B",
    "Is the answer B?",
    r"\boxed{C_6H_6}",
    r"\boxed{B^2}",
    r"\boxed{B, C}",
    r"\boxed{\text{Carbon}}",
    '{"answer": null}',
    '{"answer": "X"}',
    '{"answer": "carbon"}',
    "A compound. And more.",
    "It lives on fruit.\nD. melanogaster does.\nSo it is a fly.",
    "A. one\nB. two\nC. three\nD. four",
]


@pytest.mark.parametrize(("text", "letter"), [*STATEMENTS.items(), *WEAKER.items()])
def test_common_phrasings(text: str, letter: str) -> None:
    assert extract_choice(text) == letter


@pytest.mark.parametrize(("text", "letter"), LAST.items())
def test_the_last_of_the_strongest_statements_wins(text: str, letter: str | None) -> None:
    assert extract_choice(text) == letter


@pytest.mark.parametrize("text", NONE)
def test_what_names_no_option(text: str) -> None:
    assert extract_choice(text) is None


@pytest.mark.parametrize("letter", LETTERS)
@pytest.mark.parametrize(
    "phrase",
    ["The answer is {}.", "Final answer: **{}**", r"\boxed{{{}}}", '{{"answer": "{}"}}', "({})"],
)
def test_no_letter_is_special(phrase: str, letter: str) -> None:
    before = "We compare (A) and (B) with C and D.\nAnswer: a compound.\n"
    assert extract_choice(before + phrase.format(letter)) == letter


@given(st.text(max_size=80), st.sampled_from(LETTERS))
def test_a_closing_statement_settles_it(text: str, letter: str) -> None:
    assert extract_choice(text) in (None, *LETTERS)
    assert extract_choice(f"{text}\nThe correct answer is ({letter}).") == letter


def cpu_seconds(text: str) -> float:
    """Of this process alone, the least of a few rounds: what else the machine does is not in it."""
    times = []
    for _ in range(ROUNDS):
        started = time.process_time_ns()
        extract_choice(text)
        times.append(time.process_time_ns() - started)
    return min(times) / 1e9


@pytest.mark.parametrize(
    "text",
    [
        "\n" * 40_000,
        " " * 40_000 + "x",
        "A. " * 13_000,
        "The answer is " * 3_000,
        "answer" + " " * 40_000,
        "answer is" + " ," * 20_000,
        "answer to " * 4_000,
        "#" * 40_000,
        DEEP,
        "\\boxed" + " " * 40_000,
        "<a " * 13_000,
        "(A" * 20_000,
    ],
    ids=lambda text: repr(text[:8]),
)
def test_long_answers_take_time_by_their_length(text: str) -> None:
    long = cpu_seconds(text)
    times = LONGER**2 if text is DEEP else LONGER
    assert long < SLACK * times * cpu_seconds(text[: len(text) // LONGER])
