"""Who may ask: tokens, and hosts that a browser was led to."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.requests import Request

from deltamem_cli.errors import UsageError
from deltamem_cli.serving.guard import Guard, is_loopback, token_for
from deltamem_cli.serving.refusal import Refusal

TOKEN = "correct-horse-battery"


def asks(guard: Guard, **headers: str) -> None:
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    asyncio.run(guard.check(Request({"type": "http", "headers": raw})))


@pytest.mark.parametrize(
    "given",
    ["", TOKEN, f"Basic {TOKEN}", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", "Bearer \xe4\xf6"],
)
def test_wrong_tokens(given: str) -> None:
    asks(Guard(TOKEN), authorization=f"Bearer {TOKEN}", host="example.org")
    with pytest.raises(Refusal) as refused:
        asks(Guard(TOKEN), authorization=given)
    assert refused.value.status == 401


def test_without_a_token_only_this_machine_is_meant() -> None:
    for host in ("127.0.0.1:8000", "localhost", "[::1]:8000", "127.9.9.9"):
        asks(Guard(None), host=host)
    for host in ("evil.example:8000", "", "10.0.0.1", "localhost.evil.example", "["):
        with pytest.raises(Refusal) as refused:
            asks(Guard(None), host=host)
        assert refused.value.status == 403


def test_other_addresses_need_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DELTAMEM_TOKEN", raising=False)
    for host in ("127.0.0.1", "::1", "localhost"):
        assert is_loopback(host)
        assert token_for(host) is None
    for host in ("0.0.0.0", "::", "192.168.0.7", "example.org"):
        with pytest.raises(UsageError, match="a token is required: set DELTAMEM_TOKEN"):
            token_for(host)
    monkeypatch.setenv("DELTAMEM_TOKEN", TOKEN)
    assert token_for("0.0.0.0") == token_for("localhost") == TOKEN
    for weak in ("", "short", "ä" * 20, "with spaces in between"):
        monkeypatch.setenv("DELTAMEM_TOKEN", weak)
        with pytest.raises(UsageError, match="must have 16 or more characters"):
            token_for("localhost")


def test_the_verb_says_so(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DELTAMEM_TOKEN", raising=False)
    for word, sentence in (
        ("host=0.0.0.0", "host=0.0.0.0 can be reached from other machines"),
        ("port=70000", "port is 70000; it must be at least 0 and at most 65535"),
        ("host=192.0.2.1", "a token is required"),
        ("limits.waiting=0", "limits.waiting is 0; it must be at least 1"),
        ("sessions.folder=''", "sessions.folder is ''"),
    ):
        done = cli("serve", word)
        assert done.code == 2, done.err
        assert sentence in done.err
        assert "Traceback" not in done.err
