"""Requests as they may come: read, or refused by one sentence."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from deltamem_cli.serving.asked import Asked, Defaults, read_asked
from deltamem_cli.serving.bounds import RequestLimits
from deltamem_cli.serving.refusal import Refusal
from deltamem_cli.serving.session_id import file_name, session_id
from deltamem_evaluations.sample import Decoding

DEFAULTS = Defaults(
    model="tiny",
    decoding=Decoding(max_new_tokens=32),
    seed=7,
    context="visible",
    system=None,
    limits=RequestLimits(messages=6, max_new_tokens=100),
)
HELLO = [{"role": "user", "content": "Hello"}]


def read(**keys: Any) -> Asked:
    body = {"model": "tiny", "messages": HELLO, **keys}
    return read_asked(json.dumps(body).encode(), DEFAULTS)


def test_what_is_left_open_is_the_servers() -> None:
    asked = read(temperature=None, n=1, tools=[], response_format={"type": "text"}, metadata={})
    assert (asked.newest, asked.history, asked.system) == ("Hello", (), None)
    assert (asked.answering.decoding, asked.answering.seed) == (DEFAULTS.decoding, 7)
    assert (asked.context, asked.stream, asked.include_usage) == ("visible", False, False)


def test_what_is_given_holds() -> None:
    asked = read(
        messages=[
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "One "}]},
            {"role": "assistant", "content": "Two", "refusal": None, "tool_calls": []},
            {"role": "user", "content": " Three "},
        ],
        max_tokens=5,
        temperature=1,
        top_p=0.5,
        seed=3,
        stop="x",
        context="none",
        stream=True,
        stream_options={"include_usage": True},
    )
    assert (asked.system, asked.newest) == ("Be brief.", "Three")
    assert [m["content"] for m in asked.history] == ["One", "Two"]
    decoding = Decoding(max_new_tokens=5, temperature=1, top_p=0.5)
    assert (asked.answering.decoding, asked.answering.seed) == (decoding, 3)
    assert (asked.answering.stop, asked.context) == (("x",), "none")
    assert (asked.stream, asked.include_usage) == (True, True)


def roles(*names: str) -> list[dict[str, str]]:
    return [{"role": name, "content": "x"} for name in names]


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"n": 2}, "n is not supported by this server: leave it out"),
        ({"logprobs": True}, "logprobs is not supported"),
        ({"tools": [{"type": "function"}]}, "tools is not supported"),
        ({"tool_choice": "required"}, "tool_choice is not supported"),
        ({"response_format": {"type": "json_object"}}, "response_format is not supported"),
        ({"frequency_penalty": 0.5}, "frequency_penalty is not supported"),
        ({"reasoning_effort": "low"}, "reasoning_effort is not supported"),
        ({"tempratur": 1}, "the request: the key tempratur is unknown"),
        ({"temperature": "hot"}, 'temperature is "hot"; it must be a number'),
        ({"temperature": -1}, "temperature is -1; it must be at least 0"),
        ({"top_p": 0}, "top_p is 0"),
        ({"max_tokens": 0}, "max_tokens is 0; it must be at least 1"),
        ({"max_tokens": 101}, "max_tokens is 101; it must be at most 100 here"),
        ({"max_tokens": 5, "max_completion_tokens": 6}, "give only one of them"),
        ({"stop": ["a"] * 5}, "stop is a list"),
        ({"stop": ""}, "stop[0]"),
        ({"seed": 1.5}, "seed is 1.5"),
        ({"context": "some"}, 'context is "some"'),
        ({"model": "gpt-4"}, "there is no model 'gpt-4' here; choose 'tiny'"),
        ({"model": None}, "the key model is missing"),
        ({"messages": []}, "messages is a list"),
        ({"messages": "hi"}, 'messages is "hi"'),
        ({"messages": ["hi"]}, 'messages[0] is "hi"'),
        ({"messages": roles("user", "user")}, "must alternate"),
        ({"messages": roles("user", "assistant")}, "must alternate"),
        ({"messages": roles("system")}, "must alternate"),
        ({"messages": roles("user", "system", "user")}, "must alternate"),
        ({"messages": roles("tool", "user")}, 'messages[0].role is "tool"'),
        ({"messages": roles(*["user", "assistant"] * 3, "user")}, "has 7 messages, more than"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "not text"),
        ({"messages": [{"role": "user", "content": None}]}, "messages[0].content is missing"),
        ({"messages": [{**HELLO[0], "name": "Ada"}]}, "messages[0].name is not supported"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_cannot_be_done_is_one_sentence(keys: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Refusal) as refused:
        read(**keys)
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)
    assert refused.value.status == (404 if keys.get("model") else 400)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"\xff\xfe", b'{"model": 1, "model": 2}', b"[" * 100_000]
)
def test_what_is_no_json(content: bytes) -> None:
    with pytest.raises(Refusal):
        read_asked(content, DEFAULTS)


@pytest.mark.parametrize(
    "name", ["", "x" * 257, "a\x00b", "a\nb", "a\x1b[2J", "\u202eabc", "x" * 10_000]
)
def test_names_that_no_session_has(name: str) -> None:
    with pytest.raises(Refusal):
        session_id([], name)
    with pytest.raises(Refusal):
        session_id([name.encode()], "fine")


def test_names_of_sessions() -> None:
    assert session_id([], None) is None
    assert session_id([b"header"], "user") == "header"
    assert session_id([], "user") == "user"
    assert session_id(["läufe".encode()], None) == "läufe"
    for wrong in ([b"a", b"b"], [b"\xff"]):
        with pytest.raises(Refusal):
            session_id(wrong, None)
    names = ["../../etc/passwd", "..", "/", "a/b", "a", "A", "."]
    files = {file_name(name) for name in names}
    assert len(files) == len(names)
    assert all(len(name) == 64 and name.isalnum() for name in files)


def test_defaults_may_say_none() -> None:
    body = json.dumps({"model": "tiny", "messages": HELLO}).encode()
    assert read_asked(body, replace(DEFAULTS, context="none")).context == "none"
