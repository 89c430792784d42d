"""A real HTTP server that plays the judging model: it replies by what it was told to."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Reply = tuple[int, bytes] | tuple[int, bytes, dict[str, str]] | float
"""Status, body and headers; or seconds of silence."""


def said(text: Any) -> Reply:
    """The usual reply of a chat."""
    return 200, json.dumps({"choices": [{"message": {"content": text}}]}).encode()


@dataclass
class JudgeServer:
    """What it will reply, and what it was asked."""

    reply: Callable[[dict[str, Any]], Reply]
    """From a request's content; asked where ``first`` is empty."""
    first: list[Reply] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    url: str = ""


@contextmanager
def serving(judge: JudgeServer) -> Iterator[JudgeServer]:
    """The server, until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            content = json.loads(self.rfile.read(length))
            judge.requests.append(content)
            judge.keys.append(self.headers["Authorization"])
            judge.paths.append(self.path)
            reply = judge.first.pop(0) if judge.first else judge.reply(content)
            if isinstance(reply, float):
                time.sleep(reply)
                return
            status, body, *more = reply
            self.send_response(status)
            for name, value in (more[0] if more else {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    judge.url = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        yield judge
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
