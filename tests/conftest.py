"""Fixtures: small real models and tokenizers, and the data that lies beside a checkout."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from hub_server import WRITER, Hub, running_hub
from hypothesis import HealthCheck, settings
from random_models import random_model

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

UNTIMED = (HealthCheck.too_slow,)
"""Health checks that a slow machine fails; a test with settings of its own names them again."""

settings.register_profile("fixed", derandomize=True, deadline=None, suppress_health_check=UNTIMED)
settings.load_profile("fixed")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Small tensors gain nothing from threads, and workers share two cores."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Where real data lies: ``DELTAMEM_DATA``, or ``shared/data`` beside the checkout."""
    return Path(os.environ.get("DELTAMEM_DATA") or ROOT.parent / "shared" / "data")


@pytest.fixture(scope="session")
def locomo_file(data_folder: Path) -> Path:
    path = data_folder / "locomo10.json"
    if not path.is_file():
        pytest.skip(f"the real LoCoMo file is not in {data_folder}")
    return path


@pytest.fixture(scope="session")
def parity_folder() -> Path:
    return ROOT / "tests" / "data" / "parity"


@pytest.fixture
def make_model() -> Callable[..., Any]:
    return random_model


@pytest.fixture(scope="session")
def tiny() -> Any:
    """The embedded backbone."""
    from deltamem import load_tiny

    return load_tiny()


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A fresh working folder."""
    monkeypatch.chdir(tmp_path)
    yield tmp_path


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """An empty hub on this machine, which this process takes for the hub, and may write to."""
    from huggingface_hub import constants

    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("HF_TOKEN", WRITER)
    with running_hub() as hub:
        for name, value in {
            "ENDPOINT": hub.url,
            "HUGGINGFACE_CO_URL_TEMPLATE": hub.url + "/{repo_id}/resolve/{revision}/{filename}",
            "HF_HUB_CACHE": str(tmp_path / "hub"),
            "HF_HUB_DISABLE_XET": True,
            "HF_HUB_OFFLINE": False,
            "HF_TOKEN_PATH": str(tmp_path / "token"),
        }.items():
            monkeypatch.setattr(constants, name, value)
        # a server of this process may be slow to answer; only one that is gone is unreachable
        monkeypatch.setattr("deltamem_base.hub.SECONDS", None)
        yield hub


@dataclass(frozen=True)
class Done:
    """How a verb ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], in_folder: Any) -> Callable[..., Done]:
    """``cli("eval", "bench=recall")`` in a fresh folder."""
    from deltamem_cli.app import app
    from deltamem_cli.exits import exit_with

    def call(*words: str) -> Done:
        code = exit_with(lambda: app(list(words)))
        captured = capsys.readouterr()
        return Done(code, captured.out, captured.err)

    return call
