"""A hub on this machine: the few endpoints that pushing to and loading from a repository ask for.

Small files come with the commit, safetensors by LFS before it, as on the real one. Nothing of ours
or of huggingface_hub is replaced; it is only told another address.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

WRITER, READER = "hf_writes", "hf_reads"
"""Tokens that may write, and that may only read."""


@dataclass
class Repository:
    private: bool
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)
    branches: dict[str, str] = field(default_factory=dict)

    def commit(self, branch: str, files: dict[str, bytes], message: str) -> str:
        before = self.commits.get(self.branches.get(branch, ""), {})
        self.messages.append(message)
        sha = hashlib.sha1(f"{branch} {len(self.messages)} {sorted(files)}".encode()).hexdigest()
        self.commits[sha] = {**before, **files}
        self.branches[branch] = sha
        return sha

    def at(self, revision: str) -> tuple[str, dict[str, bytes]]:
        sha = self.branches.get(revision, revision)
        return sha, self.commits[sha]


@dataclass
class Hub:
    """Repositories by name, what was uploaded before its commit, and what was asked."""

    url: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    uploads: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    warnings: list[dict[str, str]] = field(default_factory=list)
    """What it says of every card."""
    ignored: set[str] = field(default_factory=set)
    """Files that a .gitignore keeps out."""


def is_large(path: str) -> bool:
    return path.endswith(".safetensors")


def oid(path: str, content: bytes) -> str:
    if is_large(path):
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on the screen."""

    def answer(self, content: Any, status: int = 200, **headers: str) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def handle_any(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        path = unquote(self.path.partition("?")[0])
        self.hub.asked.append(f"{self.command} {path}")
        for method, pattern, handler in ROUTES:
            found = re.fullmatch(pattern, path)
            if found and self.command in method:
                try:
                    handler(self, body, *found.groups())
                except KeyError:
                    self.answer({"error": "not here"}, 404, X_Error_Code="RepoNotFound")
                return
        self.answer({"error": "no such endpoint"}, 404)

    do_GET = do_HEAD = do_POST = do_PUT = handle_any  # noqa: N815

    def may_write(self) -> bool:
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        if token == WRITER:
            return True
        status, said = (403, "no write access") if token == READER else (401, "invalid token")
        self.answer({"error": said}, status)
        return False

    def root(self, body: bytes) -> None:
        self.answer({})

    def create(self, body: bytes) -> None:
        if not self.may_write():
            return
        asked = json.loads(body)
        name = f"{asked['organization']}/{asked['name']}"
        there = name in self.hub.repositories
        if not there:
            made = Repository(private=asked.get("visibility") == "private")
            made.commit("main", {".gitattributes": b""}, "initial commit")
            self.hub.repositories[name] = made
        self.answer({"url": f"{self.hub.url}/{name}"}, 409 if there else 200)

    def branch(self, body: bytes, name: str, branch: str) -> None:
        branches = self.hub.repositories[name].branches
        there = branch in branches
        branches.setdefault(branch, branches["main"])
        self.answer({}, 409 if there else 200)

    def info(self, body: bytes, name: str, revision: str | None = None) -> None:
        repository = self.hub.repositories[name]
        files = repository.at(revision or "main")
        siblings = [{"rfilename": path} for path in files[1]]
        facts = {"id": name, "sha": files[0], "private": repository.private}
        self.answer({**facts, "siblings": siblings})

    def validate(self, body: bytes) -> None:
        self.answer({"errors": [], "warnings": self.hub.warnings})

    def preupload(self, body: bytes, name: str, revision: str) -> None:
        if not self.may_write():
            return
        _, there = self.hub.repositories[name].at(revision)
        files = [
            {
                "path": file["path"],
                "uploadMode": "lfs" if is_large(file["path"]) else "regular",
                "shouldIgnore": file["path"] in self.hub.ignored,
                "oid": oid(file["path"], there[file["path"]]) if file["path"] in there else None,
            }
            for file in json.loads(body)["files"]
        ]
        self.answer({"files": files})

    def batch(self, body: bytes, name: str) -> None:
        objects = json.loads(body)["objects"]
        for one in objects:
            one["actions"] = {"upload": {"href": f"{self.hub.url}/upload/{one['oid']}"}}
        self.answer({"transfer": "basic", "objects": objects})

    def upload(self, body: bytes, sha: str) -> None:
        self.hub.uploads[sha] = body
        self.answer({})

    def commit(self, body: bytes, name: str, branch: str) -> None:
        lines = [json.loads(line) for line in body.splitlines()]
        files, message = {}, ""
        for line in lines:
            value = line["value"]
            if line["key"] == "header":
                message = value["summary"]
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.hub.uploads[value["oid"]]
            else:
                files[value["path"]] = base64.b64decode(value["content"])
        sha = self.hub.repositories[name].commit(branch, files, message)
        self.answer({"commitUrl": f"{self.hub.url}/{name}/commit/{sha}", "commitOid": sha})

    def tree(self, body: bytes, name: str, revision: str) -> None:
        _, files = self.hub.repositories[name].at(revision)
        rows = [
            {"type": "file", "path": path, "size": len(content), "oid": oid(path, content)}
            for path, content in files.items()
        ]
        self.answer(rows)

    def resolve(self, body: bytes, name: str, revision: str, path: str) -> None:
        sha, files = self.hub.repositories[name].at(revision)
        self.answer(files[path], X_Repo_Commit=sha, ETag=f'"{oid(path, files[path])}"')


NAME = r"([\w.-]+/[\w.-]+)"
ROUTES: list[tuple[str, str, Callable[..., None]]] = [
    ("HEAD", "/", Handler.root),
    ("POST", "/api/repos/create", Handler.create),
    ("POST", "/api/validate-yaml", Handler.validate),
    ("POST", f"/api/models/{NAME}/branch/(.+)", Handler.branch),
    ("POST", f"/api/models/{NAME}/preupload/(.+)", Handler.preupload),
    ("POST", f"/api/models/{NAME}/commit/(.+)", Handler.commit),
    ("POST", rf"/{NAME}\.git/info/lfs/objects/batch", Handler.batch),
    ("PUT", r"/upload/(\w+)", Handler.upload),
    ("GET", f"/api/models/{NAME}", Handler.info),
    ("GET", f"/api/models/{NAME}/revision/(.+)", Handler.info),
    ("GET", f"/api/models/{NAME}/tree/(.+)", Handler.tree),
    ("GET HEAD", f"/{NAME}/resolve/([^/]+)/(.+)", Handler.resolve),
]


@contextmanager
def running_hub() -> Iterator[Hub]:
    """An empty hub that answers while the block runs."""
    hub = Hub()
    handler = type("OfOneHub", (Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
