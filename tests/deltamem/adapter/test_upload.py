"""One commit to a hub on this machine, and one sentence for whatever it refuses."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from hub_server import READER, WRITER, Hub

from deltamem.adapter.upload import Published, check_repository, publish
from deltamem_base.faults import Fault, InvalidInput, Unavailable

NAME = "someone/memory"


def send(text: str = "one", **where: object) -> Published:
    content: dict[str, Path | bytes] = {"README.md": text.encode(), "a.safetensors": b"weights"}
    return publish(content, NAME, message="first", **where)  # type: ignore[arg-type]


def test_all_files_arrive_in_one_commit(hub: Hub) -> None:
    done = send()
    repository = hub.repositories[NAME]
    sha, files = repository.at("main")
    assert (done.commit, done.changed) == (sha, True)
    assert done.url == f"{hub.url}/{NAME}/tree/{sha}"
    assert files["README.md"] == b"one"
    assert files["a.safetensors"] == b"weights"
    assert repository.messages == ["initial commit", "first"]
    assert not repository.private


def test_the_same_files_make_no_commit(hub: Hub) -> None:
    first, again = send(), send()
    assert (again.commit, again.changed) == (first.commit, False)
    other = send("two")
    assert other.changed
    assert hub.repositories[NAME].at(other.commit)[1]["README.md"] == b"two"
    assert len(hub.repositories[NAME].messages) == 3


def test_a_branch_is_made_and_main_stays(hub: Hub) -> None:
    first = send()
    done = send("two", branch="v2")
    branches = hub.repositories[NAME].branches
    assert branches == {"main": first.commit, "v2": done.commit}
    assert not send("two", branch="v2").changed


def test_private_never_means_public(hub: Hub) -> None:
    send(private=True)
    assert hub.repositories[NAME].private
    hub.repositories[NAME].private = False
    with pytest.raises(InvalidInput, match="someone/memory exists already and is public"):
        send("two", private=True)


def test_what_the_hub_warns_of_is_handed_on(hub: Hub) -> None:
    hub.warnings = [{"message": "empty metadata"}]
    assert "empty metadata" in send().notes[0]


def test_a_file_that_the_repository_ignores_is_missed(hub: Hub) -> None:
    hub.ignored = {"a.safetensors"}
    with pytest.raises(Fault, match=r"lacks a\.safetensors: the repository's \.gitignore"):
        send()


@pytest.mark.parametrize(
    ("token", "sentence"),
    [
        (READER, "this token may not write to someone/memory"),
        ("hf_unknown", "the hub does not accept this token"),
        ("", "no access token of the hub was found: run `hf auth login`, or set HF_TOKEN"),
    ],
    ids=["reader", "unknown", "none"],
)
def test_a_token_without_the_right(
    token: str, sentence: str, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(Unavailable) as caught:
        send()
    assert sentence in str(caught.value)
    assert not token or token not in str(caught.value)
    assert not hub.repositories


def test_a_token_that_may_only_read_what_is_there(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = send()
    monkeypatch.setenv("HF_TOKEN", READER)
    with pytest.raises(Unavailable, match="this token may not write to someone/memory"):
        send("two")
    assert hub.repositories[NAME].branches == {"main": first.commit}


def test_no_network(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}"
    monkeypatch.setattr(constants, "ENDPOINT", nobody)
    with pytest.raises(
        Unavailable, match="^http://127.* cannot be reached: the hub does not answer$"
    ) as caught:
        send()
    assert WRITER not in str(caught.value)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(Unavailable, match=r"cannot be reached: HF_HUB_OFFLINE is set"):
        send()


@pytest.mark.parametrize("name", ["memory", "a/b/c", "a/b c", "a/-b", "a/b--c", "a/" + "b" * 120])
def test_what_is_no_repository(name: str) -> None:
    with pytest.raises(InvalidInput, match="is not a name for a repository of the hub"):
        check_repository(name)
