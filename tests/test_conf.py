"""Every yaml composes, its types agree with its class, and what is light is built."""

from __future__ import annotations

import inspect
import re
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from omegaconf import OmegaConf

from deltamem_cli.errors import UsageError
from deltamem_cli.settings.composed import Composed
from deltamem_cli.settings.groups import options
from deltamem_cli.settings.instantiate import build, check_types
from deltamem_cli.settings.job import run_config
from deltamem_cli.settings.paths import config_folder

GROUPS = {
    "train": ("model", "writer", "steer", "training", "runtime", "tracker"),
    "eval": ("model", "writer", "method", "bench", "context", "control", "runtime"),
    "fetch": ("data",),
}
CASES = [
    (primary, group, option)
    for primary, groups in GROUPS.items()
    for group in groups
    for option in options(group)
]
NEEDED = {
    "training=jsonl": ["training.data.path=episodes.jsonl"],
    "model=hf": ["model.id=some/model"],
}
"""Settings that an option cannot have a default for."""


LIVE = {
    "backbone",  # loaded before the method or the learner is built
    "context",  # context=
    "memory",  # writer=, adapter=
    "method.seed",  # seed=, of a method that draws at its start
    "method.learner.read_length",  # training.read_length
    "method.learner.seed",  # seed=
    "method.state_control",  # control=
    "method.weights",  # adapter=, of a trained baseline
    "model.name",  # what a record says of a folder
    "pretrain.tracker.memory_every",  # a bare backbone has no memory to measure
    "training.data.seed",  # seed=
    "training.data.size",  # training.steps times training.batch_size
    "writer.num_states",  # one for each writer but MSW, whose yaml has it
}
"""Constructor arguments that stand in no yaml, by name or whole name, and where they come from."""
SENTENCE = re.compile(r"# \S.*[.?]")
HEADER = "# @package"


@cache
def composed(primary: str, *words: str) -> Composed:
    seen: list[Composed] = []
    run_config(primary, seen.append, list(words))
    return seen[0]


def compose(primary: str, *words: str) -> Any:
    return OmegaConf.create(composed(primary, *words).tree)


def test_conf_is_the_one_of_the_checkout() -> None:
    assert config_folder() == ROOT / "conf"


def test_every_yaml_is_reached() -> None:
    reached = {f"{group}/{option}" for _, group, option in CASES}
    found = {
        f"{path.parent.name}/{path.stem}"
        for path in (ROOT / "conf").glob("*/*.yaml")
        if path.parent.name not in ("experiment", "scale")  # their tests: experiments/test_plan.py
        and not path.stem.startswith("_")
    }
    assert found == reached


@pytest.mark.parametrize(("primary", "group", "option"), CASES, ids=str)
def test_every_option_composes_and_has_the_right_types(
    primary: str, group: str, option: str
) -> None:
    check_types(composed(primary, f"{group}={option}", *NEEDED.get(f"{group}={option}", [])).tree)


def nodes(tree: Any, path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every node that names a class, by its whole name."""
    if isinstance(tree, dict):
        if "_target_" in tree:
            yield path, tree
        for name, value in tree.items():
            yield from nodes(value, f"{path}.{name}" if path else name)


def unlike_their_class(tree: Any, following: Collection[str]) -> Iterator[str]:
    """Arguments that a node lacks, and settings whose value is not the class's default."""
    from hydra.utils import get_object

    for path, node in nodes(tree, ""):
        for name, argument in inspect.signature(get_object(node["_target_"])).parameters.items():
            if name not in node:
                collects = argument.kind in (argument.VAR_KEYWORD, argument.VAR_POSITIONAL)
                if not collects and not f".{path}.{name}".endswith(tuple(f".{e}" for e in LIVE)):
                    yield f"{path}.{name} stands in no yaml"
                continue
            value, default = node[name], argument.default
            fixed = default is not argument.empty and not isinstance(value, dict)
            if path in RECIPES or not fixed or f"{path}.{name}" in following:
                continue
            if isinstance(value, list):
                value, default = tuple(value), tuple(default)
            if value != default:
                yield f"{path}.{name} is {value}, and {default} in Python"


RECIPES = ("training", "pretrain.training")
"""Nodes whose values are a recipe's own."""


@pytest.mark.parametrize(("primary", "group", "option"), CASES, ids=str)
def test_every_setting_of_a_class_stands_in_its_yaml_as_in_python(
    primary: str, group: str, option: str
) -> None:
    made = composed(primary, f"{group}={option}", *NEEDED.get(f"{group}={option}", []))
    assert list(unlike_their_class(made.tree, made.following)) == []


@pytest.mark.parametrize("primary", ["pretrain", "chat", "serve"])
def test_every_setting_of_a_primary_config_stands_there(primary: str) -> None:
    made = composed(primary)
    following = [f"{primary}.{name}" for name in made.following]
    assert list(unlike_their_class({primary: made.tree}, following)) == []


@pytest.mark.parametrize("recipe", options("training"))
def test_every_recipe_takes_every_setting_of_training(recipe: str) -> None:
    words = ["training.shuffle=false", "training.beta2=0.95", "training.clip=2.0"]
    config = compose("train", f"training={recipe}", *words, *NEEDED.get(f"training={recipe}", []))
    training = config.training
    assert (training.shuffle, training.beta2, training.clip) == (False, 0.95, 2.0)


@pytest.mark.parametrize(
    "path", sorted((ROOT / "conf").rglob("*.yaml")), ids=lambda p: f"{p.parent.name}/{p.stem}"
)
def test_the_first_comment_is_a_sentence(path: Path) -> None:
    first = next(
        line
        for line in path.read_text(encoding="utf-8").splitlines()
        if not line.startswith(HEADER)
    )
    assert SENTENCE.fullmatch(first)


BASES = [(path.parent.name, path.stem) for path in sorted((ROOT / "conf").glob("*/_*.yaml"))]


@pytest.mark.parametrize(("group", "base"), BASES, ids=str)
def test_a_base_is_no_choice(group: str, base: str) -> None:
    primary = "ablate" if group == "experiment" else "train"
    assert base not in options(group)
    for word in (f"{group}={base}", f"{group}={base},{options(group)[0]}"):
        with pytest.raises(
            UsageError, match=f"no {group} '{base}.*; choose one of {options(group)[0]}"
        ):
            compose(primary, word)


RECIPE_OF = {"smollm2-135m": "facts", "tiny": "recall"}
"""Backbones that have another recipe than the paper's where nothing is said."""


@pytest.mark.parametrize("model", options("model"))
def test_the_recipe_follows_the_backbone(model: str) -> None:
    config = compose("train", f"model={model}", *NEEDED.get(f"model={model}", []))
    each = {
        recipe: compose(
            "train", f"model={model}", f"training={recipe}", *NEEDED.get(f"model={model}", [])
        )
        for recipe in ("facts", "qasper_8192", "recall")
    }
    own = each.pop(RECIPE_OF.get(model, "qasper_8192"))
    assert config == own
    assert all(own.training != other.training for other in each.values())


def test_the_layers_with_a_memory_follow_the_backbone() -> None:
    assert compose("train", "model=smollm2-135m").memory.layers == list(range(10, 30))
    assert compose("train", "model=smollm2-135m", "memory.layers=null").memory.layers is None
    assert compose("train", "model=tiny").memory.layers is None


def test_another_file_is_not_called_by_the_name_of_the_first() -> None:
    own = compose("eval", "model=smollm2-135m").model
    assert (own.name, own.gguf_file[-5:], own.revision[:5]) == ("smollm2-135m", ".gguf", "ab810")
    other = compose("eval", "model=smollm2-135m", "model.id=folder").model
    assert (other.name, other.gguf_file, other.revision) == (None, None, None)


def test_the_users_own_command_has_the_papers_recipe() -> None:
    training = compose("train", "model=qwen3-4b", "writer=ssw").training
    assert (training.learning_rate, training.micro_batch_size) == (2e-4, 1)
    assert training.data._target_ == "deltamem_cli.training_data.QasperData"


def test_a_sweep_over_backbones_has_the_recipe_of_each(in_folder: Path) -> None:
    seen: list[Any] = []
    run_config("train", seen.append, ["model=tiny,qwen3-8b"], multirun=True)
    assert [composed.tree["training"]["learning_rate"] for composed in seen] == [5e-3, 2e-4]


@pytest.mark.parametrize("option", options("writer"))
def test_writers_are_built(option: str) -> None:
    from deltamem import DeltaMemConfig

    config = compose("train", f"writer={option}")
    made = build(config.memory)
    assert isinstance(made, DeltaMemConfig)
    assert made.writer == build(config.writer)
    assert made.heads == ("q", "o")


@pytest.mark.parametrize("option", options("steer"))
def test_steers_are_built(option: str) -> None:
    config = compose("train", f"steer={option}")
    assert "".join(build(config.memory).heads) == option


@pytest.mark.parametrize("option", options("bench"))
def test_benchmarks_are_built(option: str) -> None:
    from deltamem_evaluations.benchmark import Benchmark

    assert isinstance(build(compose("eval", f"bench={option}").bench), Benchmark)


@pytest.mark.parametrize("primary", ["pretrain", "demo", "chat", "lm_eval", "serve"])
def test_other_primary_configs(primary: str) -> None:
    check_types(composed(primary).tree)


def test_the_papers_recipe_is_the_default_of_the_class() -> None:
    from deltamem.training import TrainingConfig

    recipe = TrainingConfig()
    assert (recipe.batch_size, recipe.learning_rate, recipe.warmup) == (32, 2e-4, 0.1)
    assert (recipe.write_length, recipe.read_length, recipe.gate_sparsity) == (8192, 512, 0.01)


@pytest.mark.parametrize(
    ("primary", "words", "sentence"),
    [
        (
            "train",
            ["writer=tws"],
            r"no writer 'tws' \(did you mean 'tsw'.*; choose one of msw, ssw",
        ),
        (
            "train",
            ["training.learning_rat=1"],
            r"no setting 'training.learning_rat' \(did you mean",
        ),
        ("train", ["nothing=1"], "there is no setting 'nothing'"),
        ("train", ["training.steps=[1"], r"cannot read the override 'training.steps=\[1'"),
        (
            "train",
            ["model=tiny,qwen3-4b"],
            r"with a comma in it: \"model='tiny,qwen3-4b'",
        ),
        ("eval", ["runs_dir=a=b"], r"such characters is quoted: \"runs_dir='a=b'\""),
        ("eval", ["runs_dir=läufe"], r"quoted: \"runs_dir='läufe'\""),
        ("eval", ["runs_dir=$a's,"], r"quoted: 'runs_dir='"),
        ("eval", ["bench={}"], "bench={} leaves bench without a choice; choose one of facts, gpqa"),
        ("eval", ["bench=[]"], r"bench=\[\] leaves bench without a choice"),
        ("eval", ["adapter=${oc.env:NOPE}"], "adapter refers to nothing: .*'NOPE' not found"),
        ("eval", ["bench.seed=${nope}"], "bench.seed refers to nothing: .*'nope' not found"),
        (
            "chat",
            ["context=auto"],
            "context=auto takes its value from a setting that this command does not have",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_overrides_that_do_not_compose(primary: str, words: list[str], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        compose(primary, *words)


@pytest.mark.parametrize(
    ("primary", "word", "sentence"),
    [
        ("train", "training.steps=abc", "training.steps is 'abc': input should be a valid integer"),
        ("train", "training.learning_rate=fast", "training.learning_rate is 'fast'"),
        ("train", "memory.rank=8.5", "memory.rank is 8.5"),
        ("train", "memory.own_retention=perhaps", "memory.own_retention is 'perhaps'"),
        ("train", "seed=x", "seed is 'x'"),
        ("eval", "limit=many", "limit is 'many'"),
        ("eval", "bench.facts=four", "bench.facts is 'four'"),
        ("train", "training=jsonl", "training.data.path must be given"),
    ],
)
def test_values_of_the_wrong_type(primary: str, word: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        check_types(composed(primary, word).tree)


def test_sweeps_run_every_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = run_config(
        "train",
        lambda composed: build(composed.tree["writer"]).granularity,
        ["writer=tsw,ssw"],
        multirun=True,
    )
    assert done == ["token", "message_mean"]
