"""The judge that Mem0 has LoCoMo's answers judged by, which most memory systems report since.

It is not LoCoMo's own, which has none: LoCoMo's number is the F1. The prompt decides the score
(the same answers got 91 % and 35 % by two of them), so it is quoted word for word from
``evaluation/metrics/llm_judge.py`` of mem0ai/mem0 (Apache-2.0), where gpt-4o-mini is asked at
temperature 0 for a JSON object. It is generous by its own words. Category 5 is not judged there.
"""

from __future__ import annotations

import re

from deltamem_evaluations.judging.rules import JudgeQuestion, JudgeRules

__all__ = ["MEM0", "mem0_question"]

PROMPT = """
Your task is to label an answer to a question as ’CORRECT’ or ’WRONG’. You will be given the \
following data:
    (1) a question (posed by one user to another user),{space}
    (2) a ’gold’ (ground truth) answer,{space}
    (3) a generated answer
which you will score as CORRECT/WRONG.

The point of the question is to ask about something one user should know about the other user \
based on their prior conversations.
The gold answer will usually be a concise and short answer that includes the referenced topic, for \
example:
Question: Do you remember what I got the last time I went to Hawaii?
Gold answer: A shell necklace
The generated answer might be much longer, but you should be generous with your grading - as long \
as it touches on the same topic as the gold answer, it should be counted as CORRECT.{space}

For time related questions, the gold answer will be a specific date, month, year, etc. The \
generated answer might be much longer or use relative time references (like "last Tuesday" or \
"next month"), but you should be generous with your grading - as long as it refers to the same \
date or time period as the gold answer, it should be counted as CORRECT. Even if the format \
differs (e.g., "May 7th" vs "7 May"), consider it CORRECT if it's the same date.

Now it's time for the real question:
Question: {question}
Gold answer: {reference}
Generated answer: {answer}

First, provide a short (one sentence) explanation of your reasoning, then finish with CORRECT or \
WRONG.{space}
Do NOT include both CORRECT and WRONG in your response, or it will break the evaluation script.

Just return the label CORRECT or WRONG in a json format with the key as "label".
"""
LABEL = re.compile(r'"label"\s*:\s*"([^"]*)"')


def _label(reply: str) -> float | None:
    found = LABEL.search(reply)
    return None if found is None else float(found[1] == "CORRECT")


MEM0 = JudgeRules(
    name="Mem0's judge of LoCoMo", version=1, model="gpt-4o-mini", read=_label, as_json=True
)


def mem0_question(*, question: str, reference: str, answer: str) -> JudgeQuestion:
    """The prompt about one answer.

    Args:
        question: without directions.
        reference: the right answer, whole.
        answer: of the model, whole.
    """
    prompt = PROMPT.format(space=" ", question=question, reference=reference, answer=answer)
    return JudgeQuestion(rules=MEM0, prompt=prompt)
