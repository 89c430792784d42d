"""Which weights a run takes is said, recorded, and decided by what is written in the folders."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from deltamem.adapter.weights import stored_sha

FEW = ("bench.dialogues=1", "bench.facts=[1]", "context=none")
QUICK = (
    "training.batch_size=2",
    "training.micro_batch_size=2",
    "training.data.held_out=2",
    "training.data.max_facts=2",
)
SHIPPED = Path(str(files("deltamem") / "tiny" / "adapters" / "tsw"))
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def train(cli: Callable[..., Any]) -> Callable[..., Path]:
    def call(*words: str) -> Path:
        done = cli("train", *QUICK, *words, "--json")
        assert done.code == 0, done.err
        return Path(json.loads(done.out)["path"])

    return call


@pytest.fixture
def taken(cli: Callable[..., Any]) -> Callable[..., tuple[dict[str, Any], str]]:
    """What the record says of its weights, and what was said on the screen."""

    def call(*words: str) -> tuple[dict[str, Any], str]:
        done = cli("eval", *FEW, *words, "--json")
        assert done.code == 0, done.err
        record = json.loads(done.out)
        weights: dict[str, Any] = record["provenance"]["weights"]
        made = record["provenance"]["method"]
        assert weights["sha"] == (made["adapter_sha"] or made["weights_sha"])
        return weights, done.err

    return call


def test_the_first_line_says_what_is_evaluated(cli: Callable[..., Any], locomo_file: Path) -> None:
    words = ("bench=locomo", f"bench.path={locomo_file}", "context=none", "--limit", "1")
    first, *_ = cli("eval", *words).err.splitlines()
    assert first.startswith("model=tiny (777.1 k parameters), method=delta_mem, adapter ")
    assert f"(released, sha {stored_sha(SHIPPED)[:12]})" in first
    assert first.endswith("context=none, bench=locomo (benchmark protocol), 1 sample")
    first, *_ = cli("eval", *FEW, "method=frozen", "control=none").err.splitlines()
    assert first == (
        "model=tiny (777.1 k parameters), method=frozen, context=none, bench=recall, 1 sample"
    )
    assert cli("eval", *FEW, "method=frozen", "-q").err == ""


def test_the_first_line_says_what_is_trained(cli: Callable[..., Any]) -> None:
    first, *_ = cli("train", *QUICK, "training.steps=1", "writer=ssw").err.splitlines()
    assert first == (
        "model=tiny (777.1 k parameters), method=delta_mem writer=ssw steer=qo, training=recall "
        "(1 step of 2 episodes, learning rate 0.005), data recall, training split (2 episodes)"
    )


def test_what_was_trained_here_comes_before_a_release_and_both_are_named(
    train: Callable[..., Path], taken: Callable[..., Any]
) -> None:
    weights, err = taken()
    assert (weights["chosen"], weights["source"]) == ("released", "adapters/tsw")
    adapter = train("training.steps=1")
    weights, err = taken()
    assert weights == {"source": str(adapter), "chosen": "trained", "sha": stored_sha(adapter)}
    assert f"{adapter} was trained here and is used instead of the released" in err
    assert taken("adapter=${model.adapters.tsw}")[0]["chosen"] == "released"
    assert taken(f"adapter={adapter}")[0]["chosen"] == "named"


def test_two_that_fit_are_an_error_that_lists_them(
    train: Callable[..., Path], taken: Callable[..., Any], cli: Callable[..., Any]
) -> None:
    one, other = train("training.steps=1"), train("training.steps=2", "steer=q")
    train("training.steps=1", "writer=msw")
    done = cli("eval", *FEW)
    assert done.code == 2
    assert "2 trained weights in runs fit model=tiny writer=tsw equally well; name one" in done.err
    assert f"adapter={one} ({stored_sha(one)[:12]}, steers qo, rank 8)" in done.err
    assert f"adapter={other} ({stored_sha(other)[:12]}, steers q, rank 8)" in done.err
    assert taken(f"adapter={other}")[0]["sha"] == stored_sha(other)
    assert taken("writer=msw")[0]["chosen"] == "trained"
    missing = json.loads(cli("doctor", *FEW, "--json").out)["missing"]
    assert len(missing) == 1
    assert "fit model=tiny writer=tsw equally well" in missing[0]


def test_names_and_times_of_folders_decide_nothing(
    train: Callable[..., Path], taken: Callable[..., Any]
) -> None:
    adapter = train("training.steps=1")
    sha = stored_sha(adapter)
    foreign = Path(shutil.copytree(adapter, "runs/train__tiny__tsw__newer/adapter"))
    config = foreign / "delta_mem_config.json"
    keys = json.loads(config.read_text())
    keys["backbone"] |= {"fingerprint": "0" * 64, "name": "another"}
    config.write_text(json.dumps(keys))
    assert taken()[0]["sha"] == sha
    shutil.copytree("runs", "copy")
    shutil.copytree(adapter.parent, "runs/a copy of the same")
    os.utime(adapter / "README.md", (0, 0))
    assert taken()[0]["sha"] == taken("runs_dir=copy")[0]["sha"] == sha
    unfinished = Path(shutil.copytree(train("training.steps=2"), "elsewhere/adapter"))
    (unfinished / "README.md").unlink()
    shutil.rmtree(
        next(p for p in Path("runs").glob("train__*") if stored_sha(p / "adapter") != sha)
    )
    shutil.move("elsewhere", "runs/unfinished")
    assert taken()[0]["sha"] == sha


def test_a_trained_baseline_is_chosen_the_same_way(
    train: Callable[..., Path], taken: Callable[..., Any], cli: Callable[..., Any]
) -> None:
    words = ("method=context2lora", "context=visible")
    one = train("training.steps=1", "method=context2lora")
    weights, err = taken(*words)
    assert (weights["source"], weights["chosen"]) == (str(one), "trained")
    assert f"adapter {one} (trained, sha {weights['sha'][:12]})" in err.splitlines()[0]
    other = train("training.steps=2", "method=context2lora")
    done = cli("eval", *FEW, *words)
    assert done.code == 2
    assert "2 trained weights in runs fit model=tiny method=context2lora equally well" in done.err
    assert f"adapter={other} (" in done.err


@pytest.fixture
def _hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    from huggingface_hub import constants

    repository = tmp_path / "hub" / "models--someone--memory"
    shutil.copytree(SHIPPED, repository / "snapshots" / COMMIT)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    yield


@pytest.mark.usefixtures("_hub_cache")
def test_a_repository_without_a_commit_is_said_and_recorded_with_it(
    taken: Callable[..., Any],
) -> None:
    weights, err = taken("adapter=someone/memory")
    assert weights["source"] == f"someone/memory@{COMMIT}"
    assert "note: the adapter someone/memory names no commit" in err
    weights, err = taken(f"adapter=someone/memory@{COMMIT}")
    assert weights["source"] == f"someone/memory@{COMMIT}"
    assert "names no commit" not in err


def test_released_adapters_are_pinned() -> None:
    from omegaconf import OmegaConf

    from deltamem.adapter.source import HUB_COMMIT
    from deltamem_cli.settings.paths import config_folder

    for file in (config_folder() / "model").glob("*.yaml"):
        adapters = OmegaConf.to_container(OmegaConf.load(file), resolve=False).get("adapters", {})
        for name in adapters.values():
            ours = name.startswith(("${package:", "${shipped:"))
            assert ours or HUB_COMMIT.fullmatch(name), file
