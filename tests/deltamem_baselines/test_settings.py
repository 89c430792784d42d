"""Each yaml says what its classes take, with the same defaults; sizes need no weights."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from hydra.utils import get_object
from omegaconf import OmegaConf
from random_models import qwen3_4b

from deltamem.backbone import Backbone
from deltamem_baselines.context2lora.per_context import Context2LoraPerContext

OURS = {
    *("needs_adapter", "natural_context", "family", "state", "learner"),
    "instead_of_weights",
}
"""Keys that the command line reads; the class never sees them."""
LIVE = {"backbone", "context", "weights", "seed", "read_length"}
"""What the command line passes beside the yaml; ``seed`` is in some yamls, too."""
NODES = {
    path.stem: OmegaConf.to_container(OmegaConf.load(path))
    for path in sorted((ROOT / "conf" / "method").glob("*.yaml"))
}
BASELINES = [
    name for name, node in NODES.items() if node["_target_"].startswith("deltamem_baselines.")
]
TRAINED = [name for name in BASELINES if "learner" in NODES[name]]


def classes(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """A node and all nodes in it that name a class."""
    yield node
    for value in node.values():
        if isinstance(value, Mapping):
            yield from classes(value)


@pytest.mark.parametrize("name", BASELINES)
def test_keys_and_defaults_are_those_of_the_class(name: str) -> None:
    for node in classes(NODES[name]):
        takes = dict(inspect.signature(get_object(node["_target_"])).parameters)
        given = {key: value for key, value in node.items() if key not in {*OURS, "_target_"}}
        assert given.keys() - LIVE == takes.keys() - LIVE
        for key, value in given.items():
            if isinstance(value, Mapping) or key in LIVE:
                continue
            default = takes[key].default
            assert (list(default) if isinstance(value, list) else default) == value, key


@pytest.mark.parametrize("name", TRAINED)
def test_a_trained_method_loads_what_its_learner_saves(name: str) -> None:
    method = inspect.signature(get_object(NODES[name]["_target_"])).parameters
    learner = inspect.signature(get_object(NODES[name]["learner"]["_target_"])).parameters
    assert method["weights"].default is None
    assert {"backbone", "seed", "read_length"} < set(learner)
    assert all(p.kind is p.KEYWORD_ONLY for n, p in learner.items() if n != "backbone")


PAPER = {"context2lora": 5_898_240, "memgen": 46_198_788, "mlp_memory": 3_078_648_320}
"""Numbers behind the counts of the paper's table: 5.90 M, 46.20 M, 3,078 M."""


def test_the_papers_counts_without_weights() -> None:
    """By the settings of the yamls, on the meta device."""
    model = qwen3_4b()
    counts = {}
    for name in PAPER:
        node = dict(NODES[name]["learner"])
        counts[name] = get_object(node.pop("_target_")).trained_parameters(model, **node)
    assert counts == PAPER
    node = {k: v for k, v in NODES["context2lora_per_context"].items() if k != "_target_"}
    assert Context2LoraPerContext.trained_parameters(model, **node) == 8_257_536


@pytest.mark.parametrize("name", TRAINED)
def test_counts_are_those_of_what_is_made(name: str, tiny: Backbone, encoder_folder: Path) -> None:
    node = dict(NODES[name]["learner"])
    node |= {"encoder": str(encoder_folder)} if "encoder" in node else {}
    kind = get_object(node.pop("_target_"))
    made = kind(tiny, seed=0, read_length=64, **node)
    assert kind.trained_parameters(tiny.model, **node) == sum(
        weight.numel() for weight in made.state_dict().values()
    )
