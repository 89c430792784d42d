"""``deltamem serve`` as a process, with OpenAI's own client and with clients that mean no good."""

from __future__ import annotations

import io
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import openai
import pytest
from child_environment import child_environment

from deltamem import load_adapter
from deltamem.backbone import tiny_folder
from deltamem.conversation.conversation import Conversation
from deltamem.memory.state_file import read_state
from deltamem_evaluations.benchmarks.recall.dialogues import NAMES, PLACES
from deltamem_evaluations.sample import Decoding

TOKEN = "correct-horse-battery"
ENVIRONMENT = child_environment(DELTAMEM_TOKEN=TOKEN)
SERVE = [sys.executable, "-m", "deltamem_cli", "serve", "model=tiny", "writer=msw", "port=0"]
OSLO = "Today Ada is in Oslo."
ENDLESS = "zzzz"
"""The tiny backbone does not find an end to that."""


class Server:
    """A server that may be killed and begun again, on the folder it had."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.begin()

    def begin(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*SERVE, "--json", "decoding.max_new_tokens=24"],
                cwd=self.folder,
                env=ENVIRONMENT,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self.process.stdout is not None
        lines: list[str] = []
        while not lines or lines[-1] != "}\n":
            lines.append(self.process.stdout.readline())
            assert lines[-1], (self.folder / "log").read_text()
        self.url = json.loads("".join(lines))["url"]
        self.openai = self.client(TOKEN)

    def end(self, number: int) -> int:
        self.openai.close()
        self.process.send_signal(number)
        self.process.communicate()
        return self.process.returncode

    def client(self, token: str) -> openai.OpenAI:
        return openai.OpenAI(base_url=self.url, api_key=token, max_retries=0, timeout=None)

    def say(self, text: str, *, session: str | None = None, **how: Any) -> Any:
        """One message; settings that OpenAI does not know go by ``extra``."""
        return self.openai.chat.completions.create(
            model="tiny",
            messages=how.pop("messages", [{"role": "user", "content": text}]),
            extra_headers={} if session is None else {"X-Session-Id": session},
            extra_body=how.pop("extra", {}),
            **how,
        )

    def post(self, content: bytes, **headers: str) -> httpx.Response:
        sent = {
            "authorization": f"Bearer {TOKEN}",
            "content-type": "application/json",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        with httpx.Client(timeout=None) as client:
            return client.post(f"{self.url}/chat/completions", content=content, headers=sent)

    def raw_stream(self, session: str, text: str, limit: int) -> socket.socket:
        """A connection on which a streamed answer has begun, of which nothing more is read."""
        body = {
            "model": "tiny",
            "messages": [{"role": "user", "content": text}],
            "max_tokens": limit,
            "stream": True,
        }
        content = json.dumps(body).encode()
        address = urlsplit(self.url)
        connection = socket.create_connection((address.hostname, address.port))
        connection.sendall(
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
            f"Content-Type: application/json\r\nX-Session-Id: {session}\r\n"
            f"Content-Length: {len(content)}\r\n\r\n".encode()
            + content
        )
        assert connection.recv(12) == b"HTTP/1.1 200"
        return connection


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("server"))
    yield server
    assert server.end(signal.SIGTERM) == 143
    log = (server.folder / "log").read_text()
    assert "Traceback" not in log, log


def text_of(answer: Any) -> str:
    text: str = answer.choices[0].message.content
    return text


def streamed(pieces: Any) -> tuple[str, list[Any]]:
    chunks = list(pieces)
    choices = [chunk.choices[0] for chunk in chunks if chunk.choices]
    return "".join(choice.delta.content or "" for choice in choices), chunks


@pytest.fixture
def chat(cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """The answers of ``deltamem chat`` to some lines."""

    def call(lines: tuple[str, ...], *words: str) -> list[str]:
        typed = io.TextIOWrapper(io.BytesIO("\n".join(lines).encode()))
        monkeypatch.setattr(sys, "stdin", typed)
        done = cli("chat", "writer=msw", "--json", *words)
        assert done.code == 0, done.err
        return [turn["assistant"] for turn in json.loads(done.out)["turns"]]

    return call


LINES = (OSLO, "Today Ben is with Ada.", "Where is Ben today?")
SAMPLED = ("decoding.max_new_tokens=16", "decoding.temperature=1.5", "decoding.top_p=0.9", "seed=3")


@pytest.mark.parametrize("context", ["none", "visible"])
def test_an_answer_is_that_of_chat(
    context: str, server: Server, chat: Callable[..., list[str]]
) -> None:
    """In a session told line by line, and by a client that sends all of it at once."""
    wanted = chat(LINES, f"context={context}", *SAMPLED)
    how: dict[str, Any] = {"max_tokens": 16, "temperature": 1.5, "top_p": 0.9, "seed": 3}
    how["extra"] = {"context": context}
    alone = [text_of(server.say(line, session=f"chat {context}", **how)) for line in LINES]
    assert alone == wanted
    messages: list[dict[str, str]] = []
    for number, (line, answer) in enumerate(zip(LINES, wanted, strict=True)):
        messages.append({"role": "user", "content": line})
        for user in (openai.omit, f"resends {context}"):
            got, chunks = streamed(server.say("", messages=messages, stream=True, user=user, **how))
            assert got == answer
            assert chunks[-1].memory == {"messages": 2 * number + 2, "notes": []}
        messages.append({"role": "assistant", "content": answer})


def test_twenty_sessions_at_once(server: Server, tiny: Any) -> None:
    """Each has the answers of a conversation by itself, most of which remember the place."""
    memory = load_adapter(tiny_folder() / "adapters" / "msw", tiny)
    people = list(zip(NAMES[:20], PLACES[:20], strict=True))

    def live(person: tuple[str, str]) -> tuple[str, str]:
        name, place = person
        told = server.say(f"Today {name} is in {place}.", session=name)
        asked = {"extra": {"context": "none"}, "session": name}
        return text_of(told), text_of(server.say(f"Where is {name} today?", **asked))

    def alone(person: tuple[str, str]) -> tuple[str, str]:
        name, place = person
        talk = Conversation(tiny, memory, decoding=Decoding(max_new_tokens=24))
        told = talk.say(f"Today {name} is in {place}.").text
        talk.context = "none"
        return told, talk.say(f"Where is {name} today?").text

    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(live, people))
    assert answers == [alone(person) for person in people]
    right = [f"Today {name} is in {place}." for name, place in people]
    assert sum(told == wanted for (_, told), wanted in zip(answers, right, strict=True)) > 15


def test_settings_of_a_request(server: Server) -> None:
    whole = server.say(OSLO)
    text = text_of(whole)
    assert (whole.choices[0].finish_reason, whole.model) == ("stop", "tiny")
    assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens
    short = server.say(OSLO, max_tokens=1)
    assert (short.choices[0].finish_reason, short.usage.completion_tokens) == ("length", 1)
    stopped = server.say(OSLO, stop=[text[-4:]])
    before = text.partition(text[-4:])[0].rstrip()
    assert (text_of(stopped), stopped.choices[0].finish_reason) == (before, "stop")
    got, chunks = streamed(
        server.say(OSLO, stream=True, stream_options={"include_usage": True}, stop=text[-4:])
    )
    assert got == text_of(stopped)
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage == stopped.usage


def test_models_and_health(server: Server) -> None:
    models = server.openai.models
    assert [model.id for model in models.list()] == ["tiny"]
    assert models.retrieve("tiny").owned_by == "deltamem"
    with pytest.raises(openai.NotFoundError, match="there is no model 'gpt-4' here"):
        models.retrieve("gpt-4")
    health = server.url.removesuffix("/v1") + "/health"
    assert httpx.get(health, timeout=None).json() == {"status": "ok"}
    for method, path in (("GET", "/v1/nothing"), ("GET", "/v1/chat/completions"), ("GET", "/docs")):
        gone = httpx.request(method, server.url.removesuffix("/v1") + path, timeout=None)
        assert gone.status_code in (404, 405)
        assert "there is no GET" in gone.json()["error"]["message"]


def test_what_is_refused(server: Server) -> None:
    refused: list[tuple[type[openai.APIStatusError], dict[str, Any], str]] = [
        (openai.NotFoundError, {"extra": {"model": "gpt-4"}}, "choose 'tiny'"),
        (openai.BadRequestError, {"n": 2}, "n is not supported by this server"),
        (openai.BadRequestError, {"user": "a\x00b"}, "control characters"),
        (openai.BadRequestError, {"messages": [{"role": "user", "content": " "}]}, "is empty"),
        (openai.BadRequestError, {"stream": True, "text": "word " * 3000}, "make it shorter"),
    ]
    for kind, how, sentence in refused:
        with pytest.raises(kind) as fault:
            server.say(**{"text": OSLO, **how})
        assert sentence in fault.value.body["message"]  # type: ignore[index,call-overload]
    server.say(OSLO, session="told")
    with pytest.raises(openai.ConflictError, match="name another session"):
        messages = [{"role": r, "content": r} for r in ("user", "assistant", "user")]
        server.say("", messages=messages, session="told")
    for token in ("wrong", TOKEN + "x"):
        with server.client(token) as client, pytest.raises(openai.AuthenticationError):
            client.models.list()
    assert server.post(b"{", content_type="text/plain").status_code == 415
    assert server.post(b"{}", authorization="").json()["error"]["code"] == "invalid_api_key"


def test_bodies_of_ten_megabytes(server: Server) -> None:
    body = {"model": "tiny", "messages": [{"role": "user", "content": "x" * 10_000_000}]}
    answer = server.post(json.dumps(body).encode())
    assert answer.status_code == 413
    assert "more than 1,000,000 bytes" in answer.json()["error"]["message"]
    assert server.post(b"x" * 10_000_000).status_code == 413


def test_names_of_sessions_are_no_paths(server: Server) -> None:
    before = {path for path in server.folder.rglob("*") if "sessions" not in path.parts}
    names = ["../../escaped", "/etc/passwd", "..", "~", "sessions/../x", "C:\\x", "${HOME}"]
    for name in names:
        assert server.say(OSLO, session=name, max_tokens=1).memory["messages"] == 2
    kept = [path.name for path in (server.folder / "sessions").iterdir()]
    assert all(len(name) == 64 + len(".dmstate") or name == ".lock" for name in kept)
    assert {path for path in server.folder.rglob("*") if "sessions" not in path.parts} == before
    content = json.dumps({"model": "tiny", "messages": [{"role": "user", "content": "x"}]}).encode()
    for name in ("x" * 10_000, "a\tb", ""):
        refused = server.post(content, x_session_id=name)
        assert refused.status_code == 400, name
        assert "X-Session-Id" in refused.json()["error"]["message"]


def test_who_does_not_read_or_has_gone_harms_nobody(server: Server) -> None:
    with server.raw_stream("slow", ENDLESS, 40):
        assert text_of(server.say(OSLO))
        assert server.say(OSLO, session="slow").memory["messages"] == 4
    server.raw_stream("cut", ENDLESS, 2000).close()
    assert server.say(OSLO, session="cut").memory["messages"] == 2


def test_sessions_outlive_kill_nine(server: Server) -> None:
    for name in NAMES[:3]:
        server.say(f"Today {name} is in Oslo.", session=f"killed {name}")
    with server.raw_stream("killed", ENDLESS, 2000):
        assert server.end(signal.SIGKILL) == -signal.SIGKILL
    for path in (server.folder / "sessions").glob("*.dmstate"):
        read_state(path)
    server.begin()
    for name in NAMES[:3]:
        asked = {"session": f"killed {name}", "extra": {"context": "none"}}
        after = server.say(f"Where is {name} today?", **asked)
        assert (text_of(after), after.memory["messages"]) == (f"Today {name} is in Oslo.", 4)
    assert server.say(OSLO, session="killed").memory["messages"] == 2
