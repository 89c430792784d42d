"""Fetching from a hub: a real server on this machine that speaks the hub's protocol."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from deltamem_base.downloads import told_of_downloads
from deltamem_base.faults import CannotWrite, Unavailable
from deltamem_evaluations.data.datafile import UrlSource, locate
from deltamem_evaluations.data.fetch import check_fetched, fetch
from deltamem_evaluations.data.sources import HubSource, load_rows

COMMIT = "c" * 40
FILES = {
    "data/test-00000-of-00001.jsonl": b'{"question": "q1"}\n{"question": "q2"}\n',
    "data/train-00000-of-00001.jsonl": b'{"question": "q3"}\n',
    "README.md": b"# A data set\n",
}


class Hub(BaseHTTPRequestHandler):
    """The few requests that fetching makes."""

    def _send(self, code: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if "gated" in path:
            self._send(401, b"{}", X_Error_Code="GatedRepo", X_Error_Message="Access is gated")
        elif path.startswith("/api/datasets/some/data"):
            siblings = [
                {"rfilename": n, "size": len(b), "blobId": hashlib.sha1(b).hexdigest()}
                for n, b in FILES.items()
            ]
            body = {
                "id": "some/data",
                "sha": COMMIT,
                "siblings": siblings,
                "tags": [],
                "private": False,
                "gated": False,
                "disabled": False,
                "downloads": 0,
                "likes": 0,
            }
            self._send(200, json.dumps(body).encode(), Content_Type="application/json")
        elif path.startswith(f"/datasets/some/data/resolve/{COMMIT}/"):
            body_ = FILES.get(path.split(f"{COMMIT}/")[1])
            if body_ is None:
                self._send(404, b"", X_Error_Code="EntryNotFound")
            else:
                etag = f'"{hashlib.sha256(body_).hexdigest()}"'
                self._send(200, body_, ETag=etag, X_Repo_Commit=COMMIT)
        elif path == "/released.json":
            self._send(200, b"[1]")
        else:
            self._send(404, b"{}", X_Error_Code="RepoNotFound")

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture(scope="module")
def hub() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


FETCH = """
import sys
from deltamem_base.faults import Unavailable
from deltamem_evaluations.data.fetch import fetch
from deltamem_evaluations.data.sources import HubSource
try:
    print(fetch(HubSource(id=sys.argv[1], splits=("test", "train"), gated="gated" in sys.argv[1])))
except Unavailable as fault:
    sys.exit(str(fault))
"""


def fetch_in_a_process(hub: str, folder: Path, name: str) -> subprocess.CompletedProcess[str]:
    """huggingface_hub reads its endpoint when it is imported, so a fresh process it is."""
    env = {
        **os.environ,
        "HF_ENDPOINT": hub,
        "DELTAMEM_DATA": str(folder),
        "HF_HUB_OFFLINE": "0",
        "HF_HOME": str(folder / "hf"),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    command = [sys.executable, "-c", FETCH, name]
    return subprocess.run(command, env=env, capture_output=True, text=True)


def test_a_data_set_is_fetched_once_with_its_commit(
    hub: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = fetch_in_a_process(hub, tmp_path, "some/data")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "some__data"
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["revision"] == COMMIT
    assert manifest["files"] == {
        name: hashlib.sha256(body).hexdigest()
        for name, body in FILES.items()
        if name.endswith(".jsonl")
    }
    monkeypatch.setenv("DELTAMEM_DATA", str(tmp_path))
    source = HubSource(id="some/data", splits=("test", "train"))
    assert fetch(source) == folder  # complete: no network is asked
    rows, data = load_rows(source, given=None)
    assert [(r.split, r.values["question"]) for r in rows] == [
        ("test", "q1"),
        ("test", "q2"),
        ("train", "q3"),
    ]
    assert data.revision == COMMIT
    assert rows[1].where.endswith("line 2")


def test_damage_is_noticed(hub: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert fetch_in_a_process(hub, tmp_path, "some/data").returncode == 0
    folder = tmp_path / "some__data"
    check_fetched(folder)
    monkeypatch.setenv("DELTAMEM_DATA", str(tmp_path))
    file = folder / "data" / "test-00000-of-00001.jsonl"
    file.write_bytes(b"{}\n")
    with pytest.raises(Unavailable, match="is not what was released"):
        fetch(HubSource(id="some/data", splits=("test",)))
    file.unlink()
    with pytest.raises(Unavailable, match=r"is missing: remove .* and fetch it again"):
        check_fetched(folder)


def test_an_interrupted_fetch_goes_on(hub: str, tmp_path: Path) -> None:
    assert fetch_in_a_process(hub, tmp_path, "some/data").returncode == 0
    folder = tmp_path / "some__data"
    (folder / "manifest.json").unlink()
    (folder / "data" / "train-00000-of-00001.jsonl").unlink()
    assert fetch_in_a_process(hub, tmp_path, "some/data").returncode == 0
    check_fetched(folder)


def test_gated_and_missing(hub: str, tmp_path: Path) -> None:
    done = fetch_in_a_process(hub, tmp_path, "some/gated")
    assert done.returncode == 1
    assert "some/gated is gated: accept its terms on https://huggingface.co" in done.stderr
    done = fetch_in_a_process(hub, tmp_path, "some/nothing")
    assert done.returncode == 1
    assert "some/nothing is not on this machine and cannot be fetched" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_single_file(hub: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DELTAMEM_DATA", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    digest = hashlib.sha256(b"[1]").hexdigest()
    source = UrlSource(name="r.json", url=f"{hub}/released.json", sha256=digest, licence="free")
    assert fetch(source).read_bytes() == b"[1]"
    other = UrlSource(name="o.json", url=f"{hub}/released.json", sha256="0" * 64, licence="free")
    with pytest.raises(Unavailable, match="is not the released o.json"):
        fetch(other)
    assert not (tmp_path / "o.json").exists()
    missing = UrlSource(name="m.json", url=f"{hub}/nothing", sha256=digest, licence="free")
    with pytest.raises(Unavailable, match=r"m.json \(free\) is not on this machine"):
        fetch(missing)


def test_whoever_waits_for_a_file_is_told_once(
    hub: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DELTAMEM_DATA", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    url, digest = f"{hub}/released.json", hashlib.sha256(b"[1]").hexdigest()
    source = UrlSource(name="r.json", url=url, sha256=digest, licence="free")
    said: list[str] = []
    with told_of_downloads(said.append):
        assert locate(source, given=None) == locate(source, given=None) == tmp_path / "r.json"
    assert said == [f"fetching r.json from {url} ..."]


def test_a_data_folder_that_cannot_be_written(
    hub: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("DELTAMEM_DATA", str(tmp_path / "file"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    digest = hashlib.sha256(b"[1]").hexdigest()
    source = UrlSource(name="r.json", url=f"{hub}/released.json", sha256=digest, licence="free")
    with pytest.raises(CannotWrite, match=r"r\.json cannot be written \("):
        fetch(source)
