"""What identifies weights: every tensor, and nothing of how it is stored or loaded."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from model_folders import (
    WEIGHTS,
    Tensors,
    change_json,
    change_weights,
    model_folder,
    save_sharded,
    stored,
)
from safetensors.torch import save_file

from deltamem import InvalidInput
from deltamem.backbone import fingerprint, load_backbone, tiny_folder, weight_files
from deltamem.backbone.loading.fingerprint import files_fingerprint

DTYPES = (torch.float16, torch.float32, torch.float64)
LONG_AGO = 1_000_000_000


@pytest.fixture(autouse=True)
def _cache_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def of(folder: Path) -> str:
    return files_fingerprint(weight_files(str(folder)))


def save(tensors: Tensors, folder: Path) -> None:
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})


def test_every_number_counts(make_model: Any) -> None:
    model = make_model("qwen3")
    made = {fingerprint(model)}
    with torch.no_grad():
        for weight in model.parameters():
            kept = float(weight.view(-1)[-1])
            weight.view(-1)[-1] = kept + 1
            made.add(fingerprint(model))
            weight.view(-1)[-1] = kept
    assert len(made) == 1 + len(list(model.parameters()))
    assert fingerprint(model) in made


def test_names_and_shapes_count(tmp_path: Path) -> None:
    values = torch.arange(6.0)
    made = set()
    for number, tensors in enumerate(
        ({"a": values, "b": values + 1}, {"b": values, "a": values + 1}, {"a": values})
    ):
        save_file(tensors, tmp_path / f"{number}.safetensors")
        made.add(files_fingerprint([tmp_path / f"{number}.safetensors"]))
    save_file({"a": values.view(2, 3)}, tmp_path / "x.safetensors")
    made.add(files_fingerprint([tmp_path / "x.safetensors"]))
    assert len(made) == 4


def widened(tensors: Tensors, folder: Path) -> None:
    save({name: tensor.float() for name, tensor in tensors.items()}, folder)


def doubled(tensors: Tensors, folder: Path) -> None:
    save({name: tensor.double() for name, tensor in tensors.items()}, folder)


def untied(tensors: Tensors, folder: Path) -> None:
    save({**tensors, "lm_head.weight": tensors["model.embed_tokens.weight"].clone()}, folder)


def with_buffers(tensors: Tensors, folder: Path) -> None:
    save({**tensors, "model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(16)}, folder)


@pytest.mark.parametrize("store", [widened, doubled, untied, with_buffers, save_sharded])
def test_how_weights_are_stored_makes_no_difference(
    store: Callable[[Tensors, Path], None], tmp_path: Path, tiny: Any
) -> None:
    folder = model_folder(tmp_path / "model")
    store(stored(folder), folder)
    assert of(folder) == tiny.fingerprint
    loaded = load_backbone(str(folder), device="cpu")
    assert (loaded.fingerprint, loaded.architecture) == (tiny.fingerprint, tiny.architecture)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_how_weights_are_loaded_makes_no_difference(dtype: str, tiny: Any) -> None:
    loaded = load_backbone(str(tiny_folder()), dtype=dtype, device="cpu")
    assert loaded.fingerprint == fingerprint(loaded.model) == tiny.fingerprint
    assert loaded.architecture == tiny.architecture


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_digits_beyond_bfloat16_count(dtype: torch.dtype, tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "model")
    change_weights(folder, lambda t: t.update({n: w.to(dtype) for n, w in t.items()}))
    before = of(folder)
    step = float(torch.finfo(dtype).eps)
    norm = "model.norm.weight"
    change_weights(folder, lambda t: t[norm].copy_(torch.ones_like(t[norm])))
    exact = of(folder)
    change_weights(folder, lambda t: t[norm].copy_(torch.full_like(t[norm], 1 + step)))
    assert len({before, exact, of(folder)}) == 3
    if dtype != torch.float64:  # a float16 or float32 is the same number as a wider one
        change_weights(folder, lambda t: t.update({n: w.double() for n, w in t.items()}))
        wide = of(folder)
        change_weights(folder, lambda t: t.update({n: w.to(dtype) for n, w in t.items()}))
        assert wide == of(folder)


def test_settings_that_change_answers_are_a_part_of_the_identity(tmp_path: Path, tiny: Any) -> None:
    folder = model_folder(tmp_path / "model")
    change_json(folder, "config.json", {"transformers_version": "0", "initializer_range": 1.0})
    assert load_backbone(str(folder), name="tiny").identity == tiny.identity
    for change in (
        {"rms_norm_eps": 0.5},
        {"rope_parameters": {"rope_theta": 7.0, "rope_type": "default"}},
        {"hidden_act": "gelu"},
    ):
        changed = model_folder(tmp_path / next(iter(change)))
        change_json(changed, "config.json", change)
        other = load_backbone(str(changed), name="tiny").identity
        same = replace(other, model_architecture=tiny.identity.model_architecture)
        assert same == tiny.identity != other


def test_the_shipped_adapters_know_their_backbone(tiny: Any) -> None:
    configs = sorted((tiny_folder() / "adapters").glob("*/delta_mem_config.json"))
    assert len(configs) == 3
    for path in configs:
        assert json.loads(path.read_text())["backbone"]["fingerprint"] == tiny.fingerprint
        assert tiny.fingerprint in (path.parent / "README.md").read_text()


def test_a_hash_is_kept_until_a_file_changes(tmp_path: Path, monkeypatch: Any) -> None:
    files = weight_files(str(tiny_folder()))
    kept = tmp_path / "cache" / "deltamem" / "fingerprints"
    found = files_fingerprint(files)
    (entry,) = kept.iterdir()
    assert entry.read_text().strip() == found
    entry.write_text("a" * 64)
    assert files_fingerprint(files) == "a" * 64
    for damage in ("", "é", "A" * 64, "a" * 65):
        entry.write_text(damage, encoding="utf-8")
        assert files_fingerprint(files) == found
    monkeypatch.setenv("XDG_CACHE_HOME", str(files[0]))
    assert files_fingerprint(files) == found


def test_a_file_that_is_written_over_is_hashed_again(tmp_path: Path) -> None:
    """Of the same size, and with its time of change put back."""
    folder = model_folder(tmp_path / "model")
    made = set()
    for factor in (1.0, 2.0, 4.0):
        change_weights(folder, lambda t, f=factor: t["model.norm.weight"].mul_(f))
        os.utime(folder / WEIGHTS, (LONG_AGO, LONG_AGO))
        made.add(of(folder))
    assert len(made) == 3


def test_what_has_no_fingerprint(tmp_path: Path, make_model: Any) -> None:
    with pytest.raises(InvalidInput, match="a model without weights has no fingerprint: .*embed"):
        fingerprint(make_model("qwen3").to("meta"))
    for name in ("1", "2"):
        save_file({"a": torch.ones(2)}, tmp_path / f"{name}.safetensors")
    with pytest.raises(InvalidInput, match=r"2.safetensors holds a, and so does another"):
        files_fingerprint([tmp_path / "1.safetensors", tmp_path / "2.safetensors"])
