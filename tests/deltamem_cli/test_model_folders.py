"""Model folders that are damaged or do not fit: one sentence each, all found by ``doctor``."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from model_folders import (
    POINTER,
    WEIGHTS,
    change_json,
    change_weights,
    model_folder,
    save_sharded,
    stored,
)

from deltamem.backbone import tiny_folder

FEW = ("bench.dialogues=1", "bench.facts=[1]", "bench.kinds=[single_hop]")
SHORT = ("training=recall", "training.steps=1", "training.batch_size=1", "training.data.held_out=0")
Q_PROJ = "model.layers.1.self_attn.q_proj.weight"
CODE = "from pathlib import Path\nPath('ran').touch()\n"


def without(name: str) -> Callable[[Path], object]:
    return lambda folder: change_weights(folder, lambda t: t.pop(name))


def tokenizer_is_gone(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").unlink()


def shard_is_gone(folder: Path) -> None:
    save_sharded(stored(folder), folder)
    (folder / "model-2.safetensors").unlink()


def named_templates(folder: Path) -> None:
    (folder / "chat_template.jinja").unlink()
    named = [{"name": "rag", "template": "x"}, {"name": "tool_use", "template": "y"}]
    change_json(folder, "tokenizer_config.json", {"chat_template": named})


def smaller_vocabulary(folder: Path) -> None:
    table = "model.embed_tokens.weight"
    change_weights(folder, lambda t: t.update({table: t[table][:500].clone()}))
    change_json(folder, "config.json", {"vocab_size": 500})


def code_of_its_own(folder: Path) -> None:
    (folder / "own.py").write_text(CODE)
    keys = {
        "model_type": "own",
        "auto_map": {"AutoConfig": "own.C", "AutoModelForCausalLM": "own.M"},
    }
    change_json(folder, "config.json", keys)


def cut_off(folder: Path) -> None:
    whole = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(whole[: len(whole) // 2])


def config(**keys: Any) -> Callable[[Path], object]:
    return lambda folder: change_json(folder, "config.json", keys)


def write(name: str, text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text(text)


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "weights are a pointer": (write(WEIGHTS, POINTER), "model.safetensors is a Git LFS pointer"),
    "tokenizer is a pointer": (write("tokenizer.json", POINTER), "tokenizer.json is a Git LFS"),
    "cut off": (cut_off, "model.safetensors is damaged or was cut off"),
    "a shard is gone": (shard_is_gone, "names model-2.safetensors, which is not beside it"),
    "an index of nothing": (
        lambda f: ((f / WEIGHTS).unlink(), (f / f"{WEIGHTS}.index.json").write_text("[]")),
        "is damaged: it lists no weights",
    ),
    "a weight is missing": (without(Q_PROJ), f"lack 1 tensors of its architecture.*: {Q_PROJ}"),
    "a weight is left over": (
        lambda f: change_weights(f, lambda t: t.update(more=torch.ones(1))),
        "hold 1 tensors that its architecture does not take: more",
    ),
    "a larger vocabulary": (
        config(vocab_size=950),
        r"embed_tokens.weight is \(940, 128\) instead of \(950, 128\)",
    ),
    "a smaller vocabulary": (config(vocab_size=900), "makes tokens up to id 939, .* of 900"),
    "another tokenizer": (smaller_vocabulary, "makes tokens up to id 939, .* of 500: one"),
    "no tokenizer": (tokenizer_is_gone, "has no tokenizer that can tokenise a text"),
    "padding beyond (config)": (config(pad_token_id=940), "has pad_token_id 940, but the voc"),
    "padding beyond (tokenizer)": (
        lambda f: change_json(f, "tokenizer_config.json", {"pad_token": "<pad>"}),
        r"pads with <pad> \(id 940\), and the model has embeddings of 940 tokens",
    ),
    "named templates": (named_templates, "called rag, tool_use and none called default"),
    "no attention": (
        write("config.json", '{"model_type": "mamba"}'),
        "architecture mamba, whose configuration states no",
    ),
    "code of its own": (code_of_its_own, r"needs code from its own files \(auto_map\), and no"),
    "an adapter of PEFT": (write("adapter_config.json", "{}"), "holds a PEFT adapter"),
    "no heads": (config(num_attention_heads=0), "(integer division|from the configuration)"),
    "no such function": (config(hidden_act="sigh"), "'sigh'"),
    "a width in words": (config(hidden_size="wide"), "holds no model that can be loaded"),
    "a list": (write("config.json", "[]"), "holds no model that can be loaded"),
    "no tokens in it": (write("tokenizer.json", "{}"), "holds no model that can be loaded"),
}


@pytest.mark.parametrize(("spoil", "sentence"), BROKEN.values(), ids=BROKEN)
def test_one_sentence_in_every_verb(
    spoil: Callable[[Path], object],
    sentence: str,
    cli: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = model_folder(tmp_path / "model")
    spoil(folder)
    of = ("model=hf", f"model.id={folder}")
    adapter = f"adapter={tiny_folder() / 'adapters' / 'tsw'}"
    calls = [("eval", *FEW, "method=frozen"), ("train", *SHORT), ("chat", adapter)]
    for verb, *words in calls:
        monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
        done = cli(verb, *of, *words)
        assert (done.code, done.out) == (2, ""), (verb, done)
        assert done.err.count("error: ") == 1, done.err
        assert len(done.err.splitlines()) <= 2, done.err  # after what is loaded
        assert re.search(sentence, done.err), done.err
        assert str(folder) in done.err
    done = cli("doctor", *of, *FEW, "method=frozen", "--json")
    assert done.code == 4, done.err
    missing = json.loads(done.out)["missing"]
    assert any(re.search(sentence, told) for told in missing), missing
    assert not Path("ran").exists()


def test_doctor_names_all_faults_at_once(cli: Callable[..., Any], tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "model")
    cut_off(folder)
    tokenizer_is_gone(folder)
    (folder / "chat_template.jinja").unlink()
    done = cli("doctor", "model=hf", f"model.id={folder}", *FEW, "method=frozen", "--json")
    missing = json.loads(done.out)["missing"]
    assert [any(word in m for m in missing) for word in ("cut off", "no tokenizer")] == [True, True]


def test_a_whole_folder_lacks_nothing(cli: Callable[..., Any], tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "model")
    save_sharded(stored(folder), folder)
    done = cli("doctor", "model=hf", f"model.id={folder}", *FEW, "method=frozen", "--json")
    assert (done.code, json.loads(done.out)["missing"]) == (0, [])


def test_code_beside_a_model_that_is_known_is_not_run(
    cli: Callable[..., Any], tmp_path: Path
) -> None:
    folder = model_folder(tmp_path / "model")
    (folder / "own.py").write_text(CODE)
    change_json(folder, "config.json", {"auto_map": {"AutoModelForCausalLM": "own.M"}})
    done = cli("eval", "model=hf", f"model.id={folder}", *FEW, "method=frozen", "--json")
    assert done.code == 0, done.err
    assert not Path("ran").exists()


@pytest.mark.parametrize("spoil", ["tokenizer is a pointer", "no tokenizer", "named templates"])
def test_show_needs_the_tokenizer(spoil: str, cli: Callable[..., Any], tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "model")
    act, sentence = BROKEN[spoil]
    act(folder)
    done = cli("show", "model=hf", f"model.id={folder}", *FEW)
    assert (done.code, done.out) == (2, "")
    assert re.search(sentence, done.err)


def test_an_architecture_without_separate_projections(
    cli: Callable[..., Any], tmp_path: Path
) -> None:
    import transformers

    folder = model_folder(tmp_path / "model")
    settings = transformers.GPT2Config(
        vocab_size=940, n_positions=256, n_embd=32, n_layer=1, n_head=2, eos_token_id=2
    )
    transformers.GPT2LMHeadModel(settings).save_pretrained(folder)
    of = ("model=hf", f"model.id={folder}")
    assert cli("eval", *of, *FEW, "method=frozen", "--json").code == 0
    done = cli("train", *of, *SHORT)
    assert (done.code, len(done.err.splitlines())) == (2, 1)
    assert "has no list of decoder layers with separate q_proj" in done.err
    missing = json.loads(cli("doctor", "train", *of, *SHORT, "--json").out)["missing"]
    assert any("has no list of decoder layers with separate q_proj" in told for told in missing)


def test_zeroed_weights_are_another_backbone(cli: Callable[..., Any], tmp_path: Path) -> None:
    """The truth of the folder that is there, and no adapter of the one that was."""
    folder = model_folder(tmp_path / "model")
    words = ("eval", "model=hf", f"model.id={folder}", *FEW, "--json")
    adapter = f"adapter={tiny_folder() / 'adapters' / 'tsw'}"
    before = json.loads(cli(*words, "method=frozen").out)
    with_memory = json.loads(cli(*words, adapter).out)
    assert (before["metrics"]["em"]["mean"], with_memory["metrics"]["em"]["mean"]) == (1.0, 1.0)
    change_weights(folder, lambda t: [w.zero_() for n, w in t.items() if "_proj" in n])
    after = json.loads(cli(*words, "method=frozen").out)
    assert after["metrics"]["em"]["mean"] == 0.0
    assert after["cell"] != before["cell"]
    done = cli(*words, adapter)
    assert (done.code, done.out) == (2, "")
    assert "was trained on tiny (weights " in done.err
