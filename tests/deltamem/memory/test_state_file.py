"""``.dmstate``: what goes in comes out, and nothing that does not fit is ever loaded."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from deltamem import (
    DeltaMemConfig,
    DeltaMemory,
    Fault,
    InvalidInput,
    MemoryState,
    Unavailable,
    load_adapter,
)
from deltamem.adapter.stored_config import config_keys
from deltamem.backbone import tiny_folder
from deltamem.memory import state_file as module
from deltamem.memory.observation import write_observed
from deltamem.memory.state_file import Transcript, load_state, read_state, save_state
from deltamem.writers import MultiStateWriter
from deltamem_base.faults import InvalidData, NotFinite

CONFIG = config_keys(DeltaMemConfig())
TALK = ({"role": "user", "content": "Today Ada is in Oslo.\u2028é"},)


def adapter(tiny: Any, **changes: Any) -> DeltaMemory:
    memory = DeltaMemory(DeltaMemConfig(**changes), tiny.model).initialise(tiny.model, seed=0)
    memory.identity = memory.sha
    return memory


@pytest.fixture(scope="module")
def memory(tiny: Any) -> DeltaMemory:
    return adapter(tiny)


@pytest.fixture(scope="module")
def saved(tiny: Any, memory: DeltaMemory, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state with a conversation."""
    state, turns = write_observed(memory, tiny, TALK, window=tiny.window, join=None)
    path = tmp_path_factory.mktemp("states") / "one.dmstate"
    return save_state(
        path,
        state,
        memory=memory,
        backbone=tiny,
        transcript=Transcript(turns=turns, messages=TALK, whole=False, shown_from=1),
    )


def states(memory: DeltaMemory) -> st.SearchStrategy[MemoryState]:
    """Any finite numbers, for one to three sequences."""
    finite = st.floats(allow_nan=False, allow_infinity=False, width=32)

    @st.composite
    def draw(drawn: Any) -> MemoryState:
        batch = drawn(st.integers(1, 3))
        like = memory.zeros(batch)
        values = drawn(st.lists(finite, min_size=1, max_size=40))
        repeated = torch.tensor(values, dtype=torch.float32).repeat(2000)

        def fill(s: torch.Tensor) -> torch.Tensor:
            return repeated[: s.numel()].view_as(s).to(s.dtype).nan_to_num()

        return like.map(fill)

    return draw()


TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=40)
MESSAGES = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["system", "user", "assistant"]), "content": TEXT}),  # noqa: E501
    max_size=4,
)  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"writer": MultiStateWriter(num_states=3), "layers": (1, 3)},
        {"state_dtype": "bfloat16", "rank": 5},
        {"state_dtype": "float64", "rowwise_gates": False},
    ],
    ids=["tsw", "msw", "bfloat16", "float64"],
)
def test_any_state_comes_back(
    changes: dict[str, Any], tiny: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    memory = adapter(tiny, **changes)
    path = tmp_path_factory.mktemp("any") / "deep" / "state.dmstate"

    @settings(max_examples=25)
    @given(states(memory), st.none() | MESSAGES, st.booleans(), st.integers(0, 9))
    def round_trip(state: MemoryState, said: Any, whole: bool, hidden: int) -> None:
        transcript = Transcript(
            messages=None if said is None else tuple(said), whole=whole, shown_from=hidden
        )
        save_state(path, state, memory=memory, backbone=tiny, transcript=transcript)
        found = load_state(path, memory=memory, backbone=tiny)
        assert found.manifest.transcript == transcript
        assert found.state.adapter == memory.identity
        assert found.state.layers.keys() == state.layers.keys()
        for index, layer in state.layers.items():
            assert found.state.layers[index].dtype == layer.dtype
            assert torch.equal(found.state.layers[index], layer)

    round_trip()
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_manifest_says_whose_it_is(saved: Path, tiny: Any, memory: DeltaMemory) -> None:
    manifest = read_state(saved).manifest
    assert manifest.backbone["fingerprint"] == tiny.fingerprint
    assert manifest.adapter == memory.sha
    assert manifest.config["rank"] == 8
    assert manifest.config["memory_write_granularity"] == "token"
    assert manifest.transcript.messages == TALK
    assert len(manifest.transcript.turns) == 1
    assert (manifest.transcript.whole, manifest.transcript.shown_from) == (False, 1)
    assert b"pickle" not in saved.read_bytes()


def test_truncated_at_any_byte(saved: Path, tmp_path: Path) -> None:
    content, path = saved.read_bytes(), tmp_path / "cut.dmstate"
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(InvalidInput, match="is damaged or not a state file"):
            read_state(path)


def test_any_flipped_bit_is_noticed(saved: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    content = saved.read_bytes()
    path = tmp_path_factory.mktemp("bits") / "flipped.dmstate"

    @settings(max_examples=400)
    @given(st.integers(0, len(content) - 1), st.integers(0, 7))
    def flip(at: int, bit: int) -> None:
        damaged = bytearray(content)
        damaged[at] ^= 1 << bit
        path.write_bytes(damaged)
        with pytest.raises(InvalidInput):
            read_state(path)

    flip()


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="there is no state file"):
        read_state(tmp_path / "nothing.dmstate")
    other = tmp_path / "other.safetensors"
    save_file({"weight": torch.zeros(2)}, other)
    with pytest.raises(InvalidInput, match="but holds no memory state"):
        read_state(other)


def forge(path: Path, saved: Path, change: Any) -> Path:
    """A file with a right checksum and a changed manifest, as another program might write it."""
    tensors = load_file(saved)
    with safe_open(saved, framework="pt") as file:
        manifest = json.loads(file.metadata()["manifest"])
    change(manifest, tensors)
    text = json.dumps(manifest)
    save_file(tensors, path, metadata={"manifest": text, "sha256": module._digest(text, tensors)})
    return path


def rewritten(name: str, value: Any) -> Any:
    def change(manifest: dict[str, Any], tensors: dict[str, Any]) -> None:
        manifest[name] = value

    return change


def told(name: str, value: Any) -> Any:
    def change(manifest: dict[str, Any], tensors: dict[str, Any]) -> None:
        manifest["transcript"][name] = value

    return change


def in_turn(name: str, value: Any) -> Any:
    def change(manifest: dict[str, Any], tensors: dict[str, Any]) -> None:
        manifest["transcript"]["turns"][0][name] = value

    return change


def has_another_batch(manifest: Any, tensors: dict[str, Any]) -> None:
    tensors["layer.2"] = torch.zeros(2, 1, 8, 8)


def is_flat(manifest: Any, tensors: dict[str, Any]) -> None:
    tensors["layer.2"] = torch.zeros(8)


def is_whole(manifest: Any, tensors: dict[str, Any]) -> None:
    tensors["layer.2"] = torch.zeros(1, 1, 8, 8, dtype=torch.long)


def lacks_a_layer(manifest: Any, tensors: dict[str, Any]) -> None:
    del tensors["layer.2"]


def is_wide(manifest: Any, tensors: dict[str, Any]) -> None:
    tensors["layer.2"] = torch.zeros(1, 1, 8, 9)


def is_double(manifest: Any, tensors: dict[str, Any]) -> None:
    tensors["layer.2"] = tensors["layer.2"].double()


def is_not_finite(manifest: Any, tensors: dict[str, Any]) -> None:
    tensors["layer.2"] = tensors["layer.2"] * float("inf")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (rewritten("format", 2), "of format 2, but this version of deltamem reads format 1"),
        (rewritten("format", None), "is a state file of format None"),
        (rewritten("surprise", 1), "the key surprise is unknown"),
        (rewritten("transcript", []), "transcript is a list; it must be an object"),
        (told("shown_from", -1), "transcript.shown_from is -1; it must be at least 0"),
        (told("whole", "yes"), 'transcript.whole is "yes"; it must be true or false'),
        (told("messages", [{"role": "user"}]), "message 0 of the transcript is .* must have a con"),
        (told("messages", [{"role": "tool", "content": ""}]), "a role among system, user, assis"),
        (told("messages", [{"role": "user", "content": 5}]), "content is 5; it must be text"),
        (told("turns", [{}]), r"the key transcript.turns\[0\].tokens is missing"),
        (in_turn("tokens", "9"), r'turns\[0\].tokens is "9"; it must be a whole number'),
        (in_turn("write_gate", [float("nan")]), r"write_gate\[0\] is NaN; it must be a finite"),
        (in_turn("write_gate", []), "there are 4 layers, but their values number 0, 4, 4"),
        (in_turn("state", None), r"turns\[0\].state is null; it must be an object"),
        (rewritten("backbone", "tiny"), 'backbone is "tiny"; it must be'),
        (rewritten("backbone", {"fingerprint": 5}), "backbone.fingerprint is 5; it must be text"),
        (rewritten("adapter", None), "adapter is null; it must be text"),
        (rewritten("config", []), "config is a list; it must be"),
        (rewritten("date", 2026), "date is 2026; it must be text"),
        (has_another_batch, "layer 2 is .2, 1, 8, 8. .* with one batch for all"),
        (is_flat, "layer 2 is .8,. torch.float32; a state is"),
        (is_whole, "layer 2 is .1, 1, 8, 8. torch.int64; a state is"),
        (
            rewritten("backbone", {"name": "x", "revision": None, "fingerprint": "0" * 64}),
            "was written on x .weights 000000000000., and the backbone is tiny",
        ),
        (rewritten("adapter", "1" * 64), "was written by adapter 111111111111, and adapter"),
        (rewritten("config", {"rank": 4}), "the adapter's configuration in .* lacks alpha"),
        (rewritten("config", CONFIG | {"alpha": 4.0}), "adapter's alpha was 4.0 and is 16.0 here"),
        (rewritten("tokenizer", "2" * 64), "another tokenizer .222222222222. than"),
        (rewritten("template", "3" * 64), "another template .333333333333. than"),
        (rewritten("dtype", "bfloat16"), "another dtype .bfloat16. than"),
        (lacks_a_layer, r"has layers \[0, 1, 3\], the adapter has \[0, 1, 2, 3\]"),
        (is_wide, r"layer 2 is \(1, 1, 8, 9\) torch.float32; a state is"),
        (is_double, "layer 2 of the memory state is .* torch.float64"),
        (is_not_finite, "layer 2 holds numbers that are not finite"),
    ],
)
def test_what_does_not_fit_is_refused(
    change: Any, sentence: str, saved: Path, tmp_path: Path, tiny: Any, memory: DeltaMemory
) -> None:
    path = forge(tmp_path / "forged.dmstate", saved, change)
    with pytest.raises((InvalidInput, InvalidData), match=sentence) as caught:
        load_state(path, memory=memory, backbone=tiny)
    assert str(caught.value).count("\n") == 0


@pytest.mark.parametrize("text", ["[" * 100_000, "{", "7", '{"format": 1, "format": 1}'])
def test_a_manifest_that_is_none(text: str, saved: Path, tmp_path: Path) -> None:
    tensors = load_file(saved)
    path = tmp_path / "x.dmstate"
    save_file(tensors, path, metadata={"manifest": text, "sha256": module._digest(text, tensors)})
    with pytest.raises((InvalidInput, InvalidData), match=r"x\.dmstate"):
        read_state(path)


def test_an_unchanged_forgery_is_accepted(
    saved: Path, tmp_path: Path, tiny: Any, memory: DeltaMemory
) -> None:
    path = forge(tmp_path / "same.dmstate", saved, lambda manifest, tensors: None)
    assert load_state(path, memory=memory, backbone=tiny).manifest == read_state(saved).manifest


def test_real_mismatches(saved: Path, tiny: Any, memory: DeltaMemory) -> None:
    other = adapter(tiny, own_retention=True)
    with pytest.raises(InvalidInput, match="was written by adapter"):
        load_state(saved, memory=other, backbone=tiny)
    variant = adapter(tiny, update="no_lambda")
    assert variant.sha == memory.sha
    with pytest.raises(InvalidInput, match="state_update_mode was 'standard' and is 'no_lambda'"):
        load_state(saved, memory=variant, backbone=tiny)
    thinking = replace(tiny, template_kwargs={"enable_thinking": True})
    with pytest.raises(InvalidInput, match="another template"):
        load_state(saved, memory=memory, backbone=thinking)
    with pytest.raises(InvalidInput, match="was written by adapter"):
        save_state(saved, other.zeros(1), memory=memory, backbone=tiny)


def test_how_a_tokenizer_was_used_is_not_what_it_is(
    saved: Path, tiny: Any, memory: DeltaMemory
) -> None:
    tiny.tokenizer(["a b c"], truncation=True, max_length=2, padding="max_length")
    load_state(saved, memory=memory, backbone=tiny)


def test_a_folder_that_cannot_be_written(tmp_path: Path, tiny: Any, memory: DeltaMemory) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Fault, match="cannot be written"):
        save_state(tmp_path / "file" / "x.dmstate", memory.zeros(1), memory=memory, backbone=tiny)


ASK = """
import sys, torch
from pathlib import Path
from deltamem import load_adapter, load_tiny
from deltamem.backbone import tiny_folder
from deltamem.memory.state_file import load_state

tiny = load_tiny()
memory = load_adapter(tiny_folder() / "adapters" / "msw", tiny)
state = load_state(Path(sys.argv[1]), memory=memory, backbone=tiny).state
ids = torch.tensor([tiny.render([{"role": "user", "content": "Where is Ada today?"}]).ids])
with torch.no_grad(), memory.attach(tiny.model) as attached:
    output, _ = attached.forward(ids, state=state, write=False)
torch.save(output.logits, sys.argv[2])
"""


def test_another_process_gets_the_same_logits(tiny: Any, tmp_path: Path) -> None:
    memory = load_adapter(tiny_folder() / "adapters" / "msw", tiny)
    state, _ = write_observed(memory, tiny, TALK, window=tiny.window, join=None)
    path = save_state(tmp_path / "s.dmstate", state, memory=memory, backbone=tiny)
    ids = torch.tensor([tiny.render([{"role": "user", "content": "Where is Ada today?"}]).ids])
    with torch.no_grad(), memory.attach(tiny.model) as attached:
        output, _ = attached.forward(ids, state=state, write=False)
        zero, _ = attached.forward(ids, write=False)
    out = tmp_path / "logits.pt"
    command = [sys.executable, "-W", "error", "-c", ASK, str(path), str(out)]
    subprocess.run(command, check=True)
    found = torch.load(out, weights_only=True)
    assert not torch.equal(output.logits, zero.logits)
    torch.testing.assert_close(found, output.logits, atol=2e-5, rtol=2e-5)


def test_a_state_that_is_not_finite_is_not_saved(
    tmp_path: Path, tiny: Any, memory: DeltaMemory
) -> None:
    state = memory.zeros(1)
    state.layers[max(state.layers)][0, 0, 0, 0] = torch.inf
    with pytest.raises(NotFinite, match=f"layer {max(state.layers)} holds numbers"):
        save_state(tmp_path / "one.dmstate", state, memory=memory, backbone=tiny)
    assert list(tmp_path.iterdir()) == []
