"""NaN and overflow stop a run with what they come from; they never pass for an empty answer."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from model_folders import change_weights, model_folder
from safetensors.torch import load_file, save_file

from deltamem import InvalidInput, load_adapter, load_tiny, save_adapter
from deltamem.adapter.files import save_published_adapter
from deltamem.adapter.weights import WEIGHTS
from deltamem.backbone import VisibleContext, generate, tiny_folder
from deltamem.method.delta_mem_method import DeltaMemMethod
from deltamem_base.faults import NotFinite
from deltamem_evaluations.sample import Decoding, History, Prompt

DECODINGS = (
    Decoding(max_new_tokens=4),
    Decoding(max_new_tokens=4, temperature=1.0),
    Decoding(max_new_tokens=4, temperature=1.0, top_k=5, top_p=0.5),
)
HUGE = 1e38
"""A float32 of which a few make no float32 any more."""
DOWN = "model.layers.{}.mlp.down_proj.weight"


def spoilt(change: Callable[[Any], object]) -> Any:
    backbone = load_tiny()
    with torch.no_grad():
        change(backbone.model.get_decoder().layers)
    return backbone


def prompt(backbone: Any) -> list[int]:
    ids: list[int] = backbone.render(
        [{"role": "user", "content": "Where is Ada today?"}], add_generation_prompt=True
    ).ids
    return ids


@pytest.mark.parametrize("decoding", DECODINGS, ids=str)
def test_weights_are_named(decoding: Decoding) -> None:
    backbone = spoilt(lambda layers: layers[2].mlp.down_proj.weight[3].fill_(torch.nan))
    with pytest.raises(NotFinite, match="not finite: the backbone's weights " + DOWN.format(2)):
        generate(backbone, [prompt(backbone)], decoding, seeds=[0])


@pytest.mark.parametrize(
    ("layer", "sentence"),
    [(1, "those of layer 2"), (3, "all 4 layers are, so that it is the last")],
)
def test_an_overflow_is_named_by_its_layer(layer: int, sentence: str) -> None:
    backbone = spoilt(lambda layers: layers[layer].mlp.down_proj.weight.fill_(HUGE))
    with pytest.raises(NotFinite, match=sentence):
        generate(backbone, [prompt(backbone)], DECODINGS[0], seeds=[0])


def test_a_state_is_named_by_its_layer(tiny: Any) -> None:
    memory = load_adapter(tiny_folder() / "adapters" / "tsw", tiny)
    with torch.no_grad():
        memory.layer(1).memory_v_proj.fill_(HUGE)
    method = DeltaMemMethod(tiny, memory, context="none")
    method.reset(1)
    method.write([History(messages=({"role": "user", "content": "Today Ada is in Oslo."},))])
    with pytest.raises(NotFinite, match="the memory state of layer 1 is not"):
        method.answer([Prompt(question="Where is Ada today?", history=0, seed=0)], DECODINGS[0])


def test_impossible_tokens_are_no_fault(tiny: Any) -> None:
    def step(*given: Any) -> torch.Tensor:
        logits = torch.full((1, 8), -torch.inf)
        logits[0, 2] = 1.0
        return logits

    view = VisibleContext(tiny, batch=1)
    view.read([History(messages=({"role": "user", "content": "Hi"},))])
    (answer,) = view.ask([Prompt(question="?", history=0, seed=0)], DECODINGS[0], next_logits=step)
    assert answer.new_tokens == 1


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("published", [False, True])
def test_adapters_are_refused(value: float, published: bool, tiny: Any, tmp_path: Path) -> None:
    memory = load_adapter(tiny_folder() / "adapters" / "tsw", tiny)
    with torch.no_grad():
        memory.layer(2).delta_q_proj[0, 0] = value
    save = save_published_adapter if published else save_adapter
    with pytest.raises(InvalidInput, match="are not finite: its training diverged; .*2.*delta_q"):
        load_adapter(save(memory, tmp_path, backbone=tiny), tiny)
    with pytest.raises(InvalidInput, match="are not finite"):
        load_adapter(tmp_path, replace(tiny, name="another"))


def test_numbers_of_another_kind_are_refused(tiny: Any, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_folder() / "adapters" / "tsw", tmp_path / "adapter")
    for dtype in (torch.int32, torch.bool, torch.complex64):
        tensors = load_file(tiny_folder() / "adapters" / "tsw" / WEIGHTS)
        save_file({n: w.to(dtype) for n, w in tensors.items()}, folder / WEIGHTS)
        with pytest.raises(
            InvalidInput, match=f"is a {str(dtype)[6:]} tensor .*; an adapter's weights are dense"
        ):
            load_adapter(folder, tiny)


def test_the_command_line_ends_in_a_sentence(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "model")
    change_weights(folder, lambda t: t[DOWN.format(1)].fill_(torch.nan))
    words = ["bench.dialogues=1", "bench.facts=[1]", "method=frozen", "--json"]
    command = [sys.executable, "-m", "deltamem_cli", "eval", "model=hf", f"model.id={folder}"]
    done = subprocess.run([*command, *words], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, ""), done
    *_, line = done.stderr.splitlines()  # after what is loaded and evaluated
    assert "sample " in line
    assert DOWN.format(1) in line
