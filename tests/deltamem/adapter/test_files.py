"""Adapter folders: a round trip in both formats, and one sentence for whatever does not fit."""

from __future__ import annotations

import json
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from deltamem import (
    Backbone,
    DeltaMemConfig,
    DeltaMemory,
    InvalidInput,
    Unavailable,
    load_adapter,
    save_adapter,
    save_published_adapter,
)
from deltamem.adapter.weights import stored_sha
from deltamem.backbone import fingerprint
from deltamem.writers import MultiStateWriter, SegmentWriter
from deltamem_base.faults import CannotWrite, InvalidData

CONFIGS = {
    "tsw": DeltaMemConfig(rank=4),
    "ssw": DeltaMemConfig(rank=4, writer=SegmentWriter(unit="sentence")),
    "msw": DeltaMemConfig(rank=4, writer=MultiStateWriter(num_states=3)),
    "variant": DeltaMemConfig(
        rank=2,
        alpha=4.0,
        heads=("k",),
        layers=(1,),
        own_retention=True,
        rowwise_gates=False,
        update="no_lambda",
        normalize_qk=False,
        init="random",
    ),
}


def backbone_of(model: Any) -> Backbone:
    return Backbone(
        model=model,
        tokenizer=None,
        name="random",
        revision=None,
        window=512,
        fingerprint=fingerprint(model),
    )


@pytest.fixture
def backbone(make_model: Callable[..., Any]) -> Backbone:
    return backbone_of(make_model("qwen3"))


def adapter(backbone: Backbone, config: DeltaMemConfig) -> DeltaMemory:
    memory = DeltaMemory(config, backbone.model).initialise(backbone.model, seed=1)
    for weight in memory.parameters():
        weight.data += torch.randn(weight.shape, generator=torch.Generator().manual_seed(0))
    return memory


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("save", [save_adapter, save_published_adapter], ids=["ours", "published"])
def test_round_trip(
    save: Callable[..., Path], config: DeltaMemConfig, backbone: Backbone, tmp_path: Path
) -> None:
    memory = adapter(backbone, config)
    folder = save(memory, tmp_path / "adapter", backbone=backbone)
    loaded = load_adapter(folder, backbone)
    assert loaded.config == memory.config
    assert loaded.sha == memory.sha
    assert loaded.identity == loaded.sha


@pytest.mark.parametrize(
    ("save", "weights"),
    [
        (save_adapter, "delta_mem_adapter.safetensors"),
        (save_published_adapter, "delta_mem_adapter.pt"),
    ],
    ids=["ours", "published"],
)
def test_a_full_disk_leaves_the_adapter_of_before(
    save: Callable[..., Path], weights: str, backbone: Backbone, tmp_path: Path
) -> None:
    """Where files may have 1 kB at most, a write fails half-way as on a full disk."""
    before = adapter(backbone, CONFIGS["tsw"])
    save(before, tmp_path, backbone=backbone)
    after = DeltaMemory(CONFIGS["tsw"], backbone.model).initialise(backbone.model, seed=2)
    with (
        pytest.raises(CannotWrite, match=rf"{weights} cannot be written \(.*File too large"),
        files_of_at_most(1024),
    ):
        save(after, tmp_path, backbone=backbone)
    assert load_adapter(tmp_path, backbone).sha == before.sha


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_our_folder_holds_no_pickle_and_a_card(backbone: Backbone, tmp_path: Path) -> None:
    folder = save_adapter(
        adapter(backbone, CONFIGS["tsw"]), tmp_path, backbone=backbone, card={"steps": 3}
    )
    names = {path.name for path in folder.iterdir()}
    assert names == {"README.md", "delta_mem_adapter.safetensors", "delta_mem_config.json"}
    card = (folder / "README.md").read_text()
    assert "# δ-mem adapter for random" in card
    assert "| steps | 3 |" in card
    assert "adapter_config.json" not in names


def damage(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = folder / "delta_mem_config.json"
    keys = json.loads(path.read_text())
    change(keys)
    path.write_text(json.dumps(keys))


def test_what_does_not_fit_is_named(
    backbone: Backbone, make_model: Callable[..., Any], tmp_path: Path
) -> None:
    folder = save_adapter(adapter(backbone, CONFIGS["tsw"]), tmp_path / "a", backbone=backbone)
    with pytest.raises(InvalidInput, match="trained on random .* and the backbone is random"):
        load_adapter(folder, backbone_of(make_model("qwen3", seed=9)))
    with pytest.raises(InvalidInput, match="layers names layer 1, but the"):
        damage(folder, lambda keys: keys.update(target_layers=[0, 1]))
        load_adapter(folder, backbone_of(make_model("qwen3", num_hidden_layers=1)))
    damage(folder, lambda keys: keys.update(target_layers=[], rank=8))
    with pytest.raises(InvalidInput, match=r"memory_q_proj is \(4, 32\).* need \(8, 32\)"):
        load_adapter(folder, backbone)
    damage(folder, lambda keys: keys.update(rank=4, target_layers=[0]))
    with pytest.raises(InvalidInput, match="tensors that its configuration does not use"):
        load_adapter(folder, backbone)
    damage(folder, lambda keys: keys.update(target_layers=[], couple_lambda=False))
    with pytest.raises(InvalidInput, match="lacks 4 tensors, the first is .*lambda"):
        load_adapter(folder, backbone)


def test_another_architecture_of_the_same_shapes_is_refused(
    backbone: Backbone, make_model: Callable[..., Any], tmp_path: Path
) -> None:
    folder = save_adapter(adapter(backbone, CONFIGS["tsw"]), tmp_path, backbone=backbone)
    other = replace(backbone_of(make_model("mistral")), name="other")
    with pytest.raises(InvalidInput, match="trained on random .* backbone is other"):
        load_adapter(folder, other)


def test_missing_and_damaged_files(backbone: Backbone, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="no adapter in"):
        load_adapter(tmp_path / "nothing", backbone)
    folder = save_adapter(adapter(backbone, CONFIGS["tsw"]), tmp_path / "a", backbone=backbone)
    weights = folder / "delta_mem_adapter.safetensors"
    whole = weights.read_bytes()
    for content in (b"", whole[:50], b"x" * len(whole), whole[:-10]):
        weights.write_bytes(content)
        with pytest.raises(InvalidInput, match="is damaged or not an adapter"):
            load_adapter(folder, backbone)
    weights.unlink()
    with pytest.raises(Unavailable, match="neither"):
        load_adapter(folder, backbone)
    (folder / "delta_mem_config.json").write_text("{")
    with pytest.raises(InvalidData, match="this is not JSON"):
        load_adapter(folder, backbone)


def test_a_pickle_that_runs_code_is_refused(backbone: Backbone, tmp_path: Path) -> None:
    folder = save_published_adapter(adapter(backbone, CONFIGS["tsw"]), tmp_path, backbone=backbone)
    torch.save({"weights": Evil()}, folder / "delta_mem_adapter.pt")
    with pytest.raises(InvalidInput, match="is damaged or not an adapter"):
        load_adapter(folder, backbone)
    assert not Evil.ran


class Evil:
    """Sets a flag when it is unpickled."""

    ran = False

    def __reduce__(self) -> tuple[Any, ...]:
        return setattr, (Evil, "ran", True)


def test_missing_values_are_not_zeros(backbone: Backbone, tmp_path: Path) -> None:
    folder = save_adapter(adapter(backbone, CONFIGS["tsw"]), tmp_path, backbone=backbone)
    path = folder / "delta_mem_adapter.safetensors"
    tensors = load_file(path)
    tensors.pop("model.layers.1.self_attn.beta_bias")
    save_file(tensors, path)
    with pytest.raises(InvalidInput, match="lacks 1 tensors"):
        load_adapter(folder, backbone)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda w: w.to(torch.int64), "is a int64 tensor"),
        (lambda w: w > 0, "is a bool tensor"),
        (lambda w: w.to(torch.complex64), "is a complex64 tensor"),
        (lambda w: w.to(torch.float8_e4m3fn), "is a float8_e4m3fn tensor"),
        (lambda w: w.double(), "is a float64 tensor"),
        (lambda w: w.to_sparse(), "torch.sparse_coo"),
        (lambda w: w.to("meta"), "on meta"),
        (lambda w: w * float("nan"), "not finite"),
    ],
    ids=["integer", "boolean", "complex", "float8", "double", "sparse", "meta", "nan"],
)
def test_weights_that_are_no_dense_numbers(
    change: Callable[[Any], Any], sentence: str, backbone: Backbone, tmp_path: Path
) -> None:
    folder = save_published_adapter(adapter(backbone, CONFIGS["tsw"]), tmp_path, backbone=backbone)
    path = folder / "delta_mem_adapter.pt"
    tensors = torch.load(path, weights_only=True)
    name = "model.layers.1.self_attn.beta_proj"
    torch.save({**tensors, name: change(tensors[name])}, path)
    with pytest.raises(InvalidInput, match=sentence):
        load_adapter(folder, backbone)


def test_a_width_that_its_weights_do_not_have_asks_for_no_memory(
    backbone: Backbone, tmp_path: Path
) -> None:
    """1024 sub-states of rank 1024 would take 128 MB for each projection of this small model."""
    folder = save_adapter(adapter(backbone, CONFIGS["tsw"]), tmp_path, backbone=backbone)
    damage(folder, lambda keys: keys.update(rank=1024, num_state_heads=1024, writer=None))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InvalidInput, match=r"need \(1048576, 32\)"):
        load_adapter(folder, backbone)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < 64 * 1024


def test_a_name_that_no_weight_has(backbone: Backbone, tmp_path: Path) -> None:
    folder = save_adapter(adapter(backbone, CONFIGS["tsw"]), tmp_path, backbone=backbone)
    path = folder / "delta_mem_adapter.safetensors"
    save_file({**load_file(path), "odd": torch.ones(1)}, path)
    with pytest.raises(InvalidInput, match="'odd' is not the name of an adapter's"):
        stored_sha(folder)
    with pytest.raises(InvalidInput, match="has 1 tensors that its configuration does not use"):
        load_adapter(folder, backbone)
