"""A record of somebody else's chooses among our options and sets their values; it does no more."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from deltamem_base.faults import InvalidData
from deltamem_cli.settings.compose import compose_each
from deltamem_cli.settings.composed import leaves
from deltamem_cli.settings.from_record import choices_of, eval_words, rebuild
from deltamem_cli.settings.groups import options
from deltamem_cli.settings.identity import recorded
from deltamem_cli.settings.instantiate import TARGET, build, made_by
from deltamem_cli.settings.job import run_config
from deltamem_cli.settings.paths import config_folder
from deltamem_evaluations.records.record import read_record

SMALL = ("bench.dialogues=1", "bench.facts=[1,2]", "writer=msw", "context=none")
VERBS = {
    "inspect": ("inspect", "{run}"),
    "score": ("score", "{run}"),
    "report": ("report", "{results}"),
    "compare": ("compare", "{run}", "{run}"),
}
STOLEN = Path("stolen.txt")


class Evil:
    """Unpickled, it writes a file."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.write_text, (STOLEN, "all of it")


@pytest.fixture
def run(cli: Callable[..., Any]) -> Path:
    """The folder of a run of our own, with its copy in results/."""
    done = cli("eval", *SMALL, "-q", "--json")
    assert done.code == 0, done.err
    return Path(json.loads(done.out)["path"]).parent


def spoilt(run: Path, key: str, value: Any) -> dict[str, str]:
    """Folders with the record in which one key has another value, as somebody else shares them."""
    shared, results = Path("shared") / run.name, Path("shared-results")
    shutil.copytree(run, shared)
    content = json.loads((run / "record.json").read_text())
    *above, last = key.split(".")
    node = content
    for part in above:
        node = node[part]
    node[last] = value
    (shared / "record.json").write_text(json.dumps(content))
    results.mkdir()
    shutil.copy(shared / "record.json", results / f"{run.name}.json")
    return {"run": str(shared), "results": str(results)}


def files() -> set[tuple[Path, bytes]]:
    return {(path, path.read_bytes()) for path in Path().rglob("*") if path.is_file()}


ATTACKS = {
    "a class": (
        "config.bench.extra",
        {"_target_": "torch.load", "f": "evil.pt", "weights_only": False},
    ),
    "a class in place of a value": (
        "config.bench.seed",
        {"_target_": "torch.load", "f": "evil.pt", "weights_only": False},
    ),
    "a class of an option": ("config.bench._target_", "torch.load"),
    "a class in a list": ("config.bench.kinds", [{"_target_": "torch.load", "f": "evil.pt"}]),
    "half a call": ("config.bench._partial_", True),
    "arguments": ("config.method._args_", ["evil.pt"]),
    "a variable": ("config.system", "${oc.env:HOME}"),
    "an option elsewhere": ("bench", "../../shared/evil/b"),
    "a model elsewhere": ("model", "../../shared/evil/b"),
    "an absolute option": ("control", "/shared/evil/b"),
    "a cell elsewhere": ("cell", "../victim/config"),
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("attack", ATTACKS)
def test_a_shared_run_runs_nothing(
    attack: str, verb: str, run: Path, cli: Callable[..., Any]
) -> None:
    torch.save(Evil(), "evil.pt")
    Path("victim").mkdir()
    Path("victim/config.json").write_text("{}")
    evil = Path("shared/evil")
    evil.mkdir(parents=True)
    load = "_target_: torch.load\nf: evil.pt\nweights_only: false\n"
    (evil / "b.yaml").write_text(load)
    places = spoilt(run, *ATTACKS[attack])
    before = files()
    done = cli(*(word.format(**places) for word in VERBS[verb]))
    assert done.code == 2, (done.out, done.err)
    assert "record" in done.err
    assert "Traceback" not in done.err
    assert len(done.err.strip().splitlines()) <= 2
    assert not STOLEN.exists()
    assert files() == before


def test_the_attack_would_work(in_folder: Path) -> None:
    Path("evil.pt").write_bytes(pickle.dumps(Evil()))
    pickle.loads(Path("evil.pt").read_bytes())
    assert STOLEN.read_text() == "all of it"


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("config.bench.extra", 1, "sets bench.extra, which is not a setting"),
        ("config.hydra", {"run": {"dir": "x"}}, "sets hydra.run.dir, which is not a setting"),
        ("config.seed", "1", "seed is '1'"),
        ("config.bench.dialogues", [1], r"bench.dialogues is \[1\]"),
        ("config.model.adapters.msw", "../x", "may not name a file outside the working folder"),
    ],
)
def test_only_declared_settings_of_their_types_are_taken(
    key: str, value: Any, sentence: str, run: Path, cli: Callable[..., Any]
) -> None:
    done = cli("inspect", spoilt(run, key, value)["run"])
    assert done.code == 2, done.err
    assert sentence.replace("\\", "") in done.err


@pytest.mark.parametrize(
    "words",
    [
        ("control=zero", "control.writes=foreign", "context=none"),
        ("bench.kinds=[two_hop]", "method.window=25", "limit=2", "seed=3"),
        ("method=frozen", "context=visible", "runtime.dtype=float64"),
    ],
    ids=str,
)
def test_a_record_gives_the_settings_of_its_run(words: tuple[str, ...], run: Path) -> None:
    words = tuple(word.replace("''", "\\'") for word in words)
    (composed,) = compose_each("eval", [[*SMALL, *words]])
    config = recorded(composed.tree)
    chosen = dict(word.split("=") for word in (*SMALL, *words) if word.partition("=")[0] in GROUPS)
    record = replace(
        read_record(run / "record.json"), **{"control": "none", **chosen}, config=config
    )
    again = rebuild(record, [], lambda again: recorded(again.tree))
    assert dict(leaves(again)) == dict(leaves(config))


GROUPS = ("bench", "context", "control", "method", "model", "writer")


def test_words_say_only_what_is_set_otherwise(run: Path) -> None:
    record = read_record(run / "record.json")
    words = eval_words(record, choices_of(record, ("bench", "context")), parts=("bench",))
    assert words[:2] == ["bench=recall", "context=none"]
    assert sorted(words[2:]) == ["bench.dialogues=1", "bench.facts=[1,2]"]
    with pytest.raises(InvalidData, match=r"names bench='\.\./x', which is not one of"):
        eval_words(record, {"bench": "../x"})


def targets(node: Any) -> Iterator[Any]:
    if isinstance(node, dict):
        yield from [node] if TARGET in node else []
        for value in node.values():
            yield from targets(value)
    if isinstance(node, list):
        for value in node:
            yield from targets(value)


def test_every_class_that_a_config_names_is_ours() -> None:
    from omegaconf import OmegaConf

    found = [
        node
        for path in config_folder().rglob("*.yaml")
        for node in targets(OmegaConf.to_container(OmegaConf.load(path), resolve=False))
    ]
    assert len(found) >= len(options("bench")) + len(options("method")) + len(options("writer"))
    for node in found:
        assert callable(made_by(node)), node


@pytest.mark.parametrize(
    "words", [("bench._target_=torch.load",), ("+bench.extra={_target_:os.getcwd}",)]
)
def test_the_command_line_names_no_other_class_either(words: tuple[str, ...]) -> None:
    from deltamem_base.faults import InvalidInput
    from deltamem_cli.errors import UsageError

    refused = "is not a class of deltamem_base|bench.extra is not a setting of Recall"
    with pytest.raises((InvalidInput, UsageError), match=refused):
        run_config("eval", lambda composed: build(composed.tree["bench"]), words)


@pytest.mark.parametrize(
    "word",
    ["writer=../../conf/writer/tsw", "bench='../x'", "+control=/x", "model@model=a/b", "bench=./x"],
)
def test_an_option_is_a_name_on_the_command_line_too(word: str) -> None:
    from deltamem_cli.errors import UsageError

    with pytest.raises(UsageError, match="; choose one of"):
        compose_each("eval", [[word]])
