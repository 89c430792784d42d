"""LongMemEval's own judge: is the answer right? One prompt for each kind of question.

The prompts are a part of the benchmark's protocol, and quoted word for word from
``src/evaluation/evaluate_qa.py`` of xiaowu0162/LongMemEval (MIT licence, Copyright (c) 2024 Di Wu):
with others its scores would not be the benchmark's. MemoryAgentBench judges its LongMemEval source
by the same prompts (``llm_based_eval/longmem_qa_evaluate.py``). Both ask gpt-4o at temperature 0
for ten tokens, and count a reply with "yes" in it as right, whatever else it says.
"""

from __future__ import annotations

from collections.abc import Mapping

from deltamem_evaluations.judging.rules import JudgeQuestion, JudgeRules

__all__ = ["LONGMEMEVAL", "longmemeval_question"]

CONTAINS = (
    "I will give you a question, a correct answer, and a response from a model. Please answer yes "
    "if the response contains the correct answer. Otherwise, answer no. "
)
EQUIVALENT = (
    "If the response is equivalent to the correct answer or contains all the intermediate steps to "
    "get the correct answer, you should also answer yes. If the response only contains a subset of "
    "the information required by the answer, answer no. "
)
DAYS = (
    "In addition, do not penalize off-by-one errors for the number of days. If the question asks "
    "for the number of days/weeks/months, etc., and the model makes off-by-one errors (e.g., "
    "predicting 19 days when the answer is 18), the model's response is still correct. "
)
UPDATED = (
    "If the response contains some previous information along with an updated answer, the response "
    "should be considered as correct as long as the updated answer is the required answer."
)
WITH_ANSWER = (
    "\n\nQuestion: {}\n\nCorrect Answer: {}\n\nModel Response: {}\n\n"
    "Is the model response correct? Answer yes or no only."
)
FACT = CONTAINS + EQUIVALENT + WITH_ANSWER
PROMPTS: Mapping[str, str] = {
    "single-session-user": FACT,
    "single-session-assistant": FACT,
    "multi-session": FACT,
    "temporal-reasoning": CONTAINS + EQUIVALENT + DAYS + WITH_ANSWER,
    "knowledge-update": CONTAINS + UPDATED + WITH_ANSWER,
    "single-session-preference": (
        "I will give you a question, a rubric for desired personalized response, and a response "
        "from a model. Please answer yes if the response satisfies the desired response. "
        "Otherwise, answer no. The model does not need to reflect all the points in the rubric. "
        "The response is correct as long as it recalls and utilizes the user's personal "
        "information correctly.\n\nQuestion: {}\n\nRubric: {}\n\nModel Response: {}\n\n"
        "Is the model response correct? Answer yes or no only."
    ),
}
ABSTENTION = (
    "I will give you an unanswerable question, an explanation, and a response from a model. Please "
    "answer yes if the model correctly identifies the question as unanswerable. The model could "
    "say that the information is incomplete, or some other information is given but the asked "
    "information is not.\n\nQuestion: {}\n\nExplanation: {}\n\nModel Response: {}\n\n"
    "Does the model correctly identify the question as unanswerable? Answer yes or no only."
)


def _says_yes(reply: str) -> float:
    return float("yes" in reply.lower())


LONGMEMEVAL = JudgeRules(
    name="LongMemEval's judge",
    version=1,
    model="gpt-4o-2024-08-06",
    read=_says_yes,
    max_tokens=10,
)


def longmemeval_question(
    kind: str | None, *, question: str, reference: str, answer: str, abstention: bool
) -> JudgeQuestion | None:
    """The prompt about one answer; None for a kind of question that the judge has no prompt for.

    Args:
        kind: of the question, by the release's name.
        question: without directions.
        reference: the right answer, a rubric for one, or why there is none.
        answer: of the model, whole.
        abstention: whether the chats do not answer the question.
    """
    template = ABSTENTION if abstention else PROMPTS.get(kind or "")
    if template is None:
        return None
    return JudgeQuestion(rules=LONGMEMEVAL, prompt=template.format(question, reference, answer))
