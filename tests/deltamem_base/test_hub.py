"""What is said where the hub is forbidden, away, or wants its terms accepted."""

from __future__ import annotations

import pytest
from hub_server import Hub
from huggingface_hub import constants

from deltamem_base.hub import (
    accept_terms,
    hub_answers,
    is_gated,
    is_offline,
    not_fetched,
    why_unreachable,
)

NOBODY = "http://127.0.0.1:9"


@pytest.mark.parametrize(
    ("value", "offline"),
    [("1", True), ("true", True), ("Yes", True), ("ON", True), ("0", False), ("", False)],
)
def test_the_variable_is_read_as_the_hub_reads_it(
    value: str, offline: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", value)
    assert is_offline() is offline is constants._is_true(value)
    assert why_unreachable().startswith("HF_HUB_OFFLINE is set" if offline else "the hub does not")


def test_a_hub_that_is_there_answers_unless_it_may_not_be_asked(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert hub_answers()  # with a 404: any answer counts
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert not hub_answers()


@pytest.mark.parametrize("endpoint", [NOBODY, "no address"])
def test_a_hub_that_is_away(endpoint: str, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    assert not hub_answers()


@pytest.mark.parametrize(
    ("said", "gated"),
    [
        ("You are trying to access a gated repo.\nMake sure to have access", True),
        ("Dataset 'x/y' is a gated dataset on the Hub.", True),
        ("If you are trying to access a private or gated repo, log in", False),
        ("401 Client Error", False),
    ],
)
def test_gated_is_told_from_missing(said: str, gated: bool) -> None:
    assert is_gated(OSError(said)) is gated


def test_the_sentences() -> None:
    fault = not_fetched("the model a/b", "the hub does not answer", remedy="name a folder")
    assert str(fault) == (
        "the model a/b is not on this machine and cannot be fetched (the hub does not answer): "
        "name a folder"
    )
    assert fault.exit_code == 4
    assert accept_terms("a/b").startswith("accept its terms on https://huggingface.co/a/b and run")
    assert "huggingface.co/datasets/a/b " in accept_terms("a/b", data=True)
