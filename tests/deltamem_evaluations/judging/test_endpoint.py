"""The endpoint of a judge: a real server with errors, silence, garbage, 401 and 429."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from judge_server import JudgeServer, Reply, said, serving

from deltamem_base.faults import InvalidInput, Unavailable
from deltamem_evaluations.judging.endpoint import KEY, Endpoint, JudgeSilent
from deltamem_evaluations.judging.locomo import mem0_question
from deltamem_evaluations.judging.longmemeval import LONGMEMEVAL, PROMPTS, longmemeval_question
from deltamem_evaluations.judging.rules import JudgeQuestion

SECRET = "sk-very-secret"
QUESTION = JudgeQuestion(rules=LONGMEMEVAL, prompt="Is it right? – Ärö")
FREE = mem0_question(question="Where?", reference="Oslo", answer="In {Oslo}")


@pytest.fixture
def judge() -> Iterator[JudgeServer]:
    with serving(JudgeServer(reply=lambda content: said("Yes."))) as server:
        yield server


@pytest.fixture
def endpoint(judge: JudgeServer, monkeypatch: pytest.MonkeyPatch) -> Endpoint:
    monkeypatch.setenv(KEY, SECRET)
    return Endpoint(url=judge.url, model="judge-7b", tries=3, wait=0.01, seconds=30.0)


def test_what_is_sent(judge: JudgeServer, endpoint: Endpoint) -> None:
    assert endpoint.ask(QUESTION) == ("Yes.", 1.0)
    assert judge.paths == ["/v1/chat/completions"]
    assert judge.keys == [f"Bearer {SECRET}"]
    assert judge.requests == [
        {
            "model": "judge-7b",
            "messages": [{"role": "user", "content": QUESTION.prompt}],
            "temperature": 0,
            "max_tokens": 10,
        }
    ]
    judge.first = [said('{"label": "WRONG"}')]
    replace(endpoint, key="").ask(FREE)
    assert judge.keys[1] is None
    assert judge.requests[1]["response_format"] == {"type": "json_object"}
    assert "max_tokens" not in judge.requests[1]
    assert SECRET not in repr(endpoint)


PASSING: list[Reply] = [
    (500, b"oops"),
    (429, b"", {"Retry-After": "0"}),
    (503, b"<html>"),
    (200, b"not JSON"),
    (200, b"[]"),
    (200, b'{"choices": []}'),
    (200, b'{"choices": [{"message": {"content": null}}]}'),
    (200, b"x" * (2**20 + 2)),
]


@pytest.mark.parametrize("reply", PASSING, ids=lambda reply: str(reply)[:40])
def test_what_may_pass_is_tried_again(reply: Reply, judge: JudgeServer, endpoint: Endpoint) -> None:
    judge.first = [reply, reply]
    assert endpoint.ask(QUESTION) == ("Yes.", 1.0)
    assert len(judge.requests) == 3
    judge.first = [reply] * 3
    with pytest.raises(JudgeSilent, match="3 tries, the last of which ended with ") as fault:
        endpoint.ask(QUESTION)
    assert len(judge.requests) == 6
    assert SECRET not in str(fault.value)


def test_a_reply_without_a_verdict_is_none(judge: JudgeServer, endpoint: Endpoint) -> None:
    judge.first = [said("I think so."), said('```json\n{"label": "CORRECT"}\n```')]
    assert endpoint.ask(FREE)[1] == 1.0
    judge.reply = lambda content: said("no idea")
    with pytest.raises(JudgeSilent, match="ended with a reply without a verdict"):
        endpoint.ask(FREE)


def test_silence_and_nobody_there(judge: JudgeServer, endpoint: Endpoint) -> None:
    judge.first = [0.6]
    impatient = replace(endpoint, seconds=0.2)
    assert impatient.ask(QUESTION) == ("Yes.", 1.0)
    assert len(judge.requests) == 2
    nobody = replace(endpoint, url="http://127.0.0.1:9/v1", tries=2)
    with pytest.raises(JudgeSilent, match=r"no answer \(.*refused"):
        nobody.ask(QUESTION)


def test_an_endpoint_that_asks_for_time_is_given_it(judge: JudgeServer, endpoint: Endpoint) -> None:
    judge.first = [(429, b"", {"Retry-After": "1"})]
    before = time.monotonic()
    endpoint.ask(QUESTION)
    assert time.monotonic() - before >= 1


@pytest.mark.parametrize(
    ("reply", "key", "sentence"),
    [
        ((401, SECRET.encode()), SECRET, f"refuses the key in {KEY} .HTTP 401."),
        ((403, b""), "", f"wants a key: set {KEY}"),
        ((404, b""), SECRET, "answers HTTP 404: is this its address up to /v1, and 'judge-7b'"),
        ((400, b""), SECRET, "answers HTTP 400"),
        ((302, b"", {"Location": "http://127.0.0.1:9/"}), SECRET, "answers HTTP 302"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_cannot_pass_ends_at_once(
    reply: Reply, key: str, sentence: str, judge: JudgeServer, endpoint: Endpoint
) -> None:
    judge.first = [reply]
    with pytest.raises(Unavailable, match=sentence) as fault:
        replace(endpoint, key=key).ask(QUESTION)
    assert len(judge.requests) == 1
    assert SECRET not in str(fault.value)


@pytest.mark.parametrize(
    "url",
    ["", "localhost:8001", "ftp://x/v1", f"http://me:{SECRET}@x/v1", f"http://x/v1?key={SECRET}",
     "http://[/v1"],
)  # fmt: skip
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(InvalidInput, match=r"judge.url must be an address") as fault:
        Endpoint(url=url, model="m", key="")
    assert SECRET not in str(fault.value)


def test_a_key_that_no_header_can_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, f"{SECRET}\nX-Other: 1")
    with pytest.raises(InvalidInput, match=f"the key in {KEY} holds characters") as fault:
        Endpoint(url="http://x/v1", model="m")
    assert SECRET not in str(fault.value)


def test_each_kind_of_question_has_its_prompt() -> None:
    """And what is asked, expected and answered stands in it as it is, braces and all."""
    given = {"question": "Which {x}?", "reference": "{0}", "answer": "an answer"}
    made = [longmemeval_question(kind, abstention=False, **given) for kind in PROMPTS]
    made.append(longmemeval_question("multi-session", abstention=True, **given))
    prompts = [one.prompt for one in made if one is not None]
    assert len(prompts) == 7
    assert len(set(prompts)) == 5  # three kinds share theirs
    for prompt in prompts:
        assert "\n\nQuestion: Which {x}?\n\n" in prompt
        assert ": {0}\n\nModel Response: an answer\n\n" in prompt
        assert prompt.endswith(" Answer yes or no only.")
    assert longmemeval_question("other", abstention=False, **given) is None
    assert FREE.prompt.count("{Oslo}") == 1
    assert json.loads(json.dumps(FREE.prompt)) == FREE.prompt


@pytest.mark.parametrize(
    ("reply", "right"), [("Yes", True), ("no", False), ("Well, yes.", True), ("", False)]
)
def test_longmemeval_counts_a_yes(reply: str, right: Any) -> None:
    assert LONGMEMEVAL.read(reply) == right
