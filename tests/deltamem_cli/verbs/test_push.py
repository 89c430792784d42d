"""``deltamem push``: what is published of an adapter, and what is refused."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import torch
from hub_server import WRITER, Hub
from huggingface_hub import ModelCard
from safetensors.torch import load_file, save_file

from deltamem import adapter_folder, load_adapter
from deltamem.adapter.weights import stored_sha
from deltamem_cli.publishing.backbone import named_backbone

SHIPPED = Path(str(files("deltamem") / "tiny" / "adapters"))
NAME = "someone/memory"
FILES = {"README.md", "delta_mem_adapter.safetensors", "delta_mem_config.json"}
WEIGHTS = "delta_mem_adapter.safetensors"
FEW = ("bench.dialogues=1", "bench.facts=[1,2]", "context=none", "-q")
OWN = "adapter=${model.adapters.msw}"


@pytest.fixture
def adapter(in_folder: Path) -> Path:
    """A copy of a shipped adapter, as a run of training leaves it."""
    folder = in_folder / "runs" / "train__tiny__msw__0123abcd" / "adapter"
    shutil.copytree(SHIPPED / "msw", folder)
    return folder


def dry(cli: Callable[..., Any], *words: str) -> dict[str, Any]:
    done = cli("push", *words, "--dry-run", "--json")
    assert done.code == 0, done.err
    content: dict[str, Any] = json.loads(done.out)
    return content


def test_pushed_and_loaded_by_id(adapter: Path, hub: Hub, tiny: Any) -> None:
    """By a process of its own, told of the hub by HF_ENDPOINT alone."""
    (adapter / "notes.txt").write_text("mine")
    told = {"HF_ENDPOINT": hub.url, "HF_TOKEN": WRITER, "HF_HUB_DISABLE_XET": "1"}
    told["PYTHONPATH"] = str(Path(__file__).parents[3])
    words = ["push", str(adapter.parent), NAME, "--license", "cc-by-4.0", "--message", "one"]
    done = subprocess.run(
        [sys.executable, "-m", "deltamem_cli", *words],
        capture_output=True,
        text=True,
        env={**os.environ, **told},
    )
    assert done.returncode == 0, done.stderr
    assert WRITER not in done.stdout + done.stderr
    assert "notes.txt is not part of an adapter and is not pushed" in done.stderr
    repository = hub.repositories[NAME]
    sha, there = repository.at("main")
    url, word = done.stdout.splitlines()[-1].split()
    assert url == f"{hub.url}/{NAME}/tree/{sha}"
    assert word == f"adapter={NAME}@{sha}"
    assert repository.messages == ["initial commit", "one"]
    assert set(there) == {*FILES, ".gitattributes"}
    assert not any(b"peft_type" in content for content in there.values())
    card = ModelCard(there["README.md"].decode())
    assert card.data["license"] == "cc-by-4.0"
    assert f'adapter_folder("{NAME}")' in card.text
    fetched = adapter_folder(word.removeprefix("adapter="))
    assert load_adapter(fetched, tiny).sha == stored_sha(adapter)


def test_pushing_twice_changes_nothing(adapter: Path, hub: Hub, cli: Callable[..., Any]) -> None:
    first = json.loads(cli("push", str(adapter), NAME, "--json").out)
    done = cli("push", str(adapter), NAME, "--json")
    again = json.loads(done.out)
    assert (first["changed"], again["changed"]) == (True, False)
    assert again["commit"] == first["commit"]
    assert "holds exactly these files already; there is no new commit" in done.err


def test_only_records_of_these_weights_are_on_the_card(
    adapter: Path, cli: Callable[..., Any]
) -> None:
    for words in (["method=frozen"], [OWN], [OWN, "limit=1"], ["adapter=${model.adapters.tsw}"]):
        assert cli("eval", *FEW, *words).code == 0
    cells = {path.stem: json.loads(path.read_text()) for path in Path("results").glob("*.json")}
    own = next(r for name, r in cells.items() if "__msw__" in name)
    bare = next(r for name, r in cells.items() if "__frozen__" in name)
    done = cli("push", str(adapter), NAME, "--dry-run", "--json")
    content = json.loads(done.out)
    assert set(content["records"]) == {own["cell"], bare["cell"]}
    assert "has only the first samples: not on the card" in done.err
    card = ModelCard(content["card"])
    (result,) = card.data.eval_results
    metric = own["metrics"]["em"]
    assert result.metric_value == round(100 * metric["mean"], 2)
    assert result.metric_args["ci95"] == [round(100 * end, 2) for end in metric["ci95"]]
    assert f"({metric['n']} questions about" in result.metric_name
    assert "| tiny  | frozen " in card.text
    assert "delta_mem tsw" not in card.text
    line = f"adapter={NAME} bench=recall context=none 'bench.facts=[1,2]' bench.dialogues=1\n"
    assert f"deltamem eval model=tiny {line}" in card.text
    # the same run by name, another's, and one that is not whole
    run = Path(own["path"]).parent
    assert dry(cli, str(adapter), NAME, "--record", str(run))["records"] == [own["cell"]]
    other = next(path for path in Path("runs").glob("recall__*__tsw__*"))
    done = cli("push", str(adapter), NAME, "--dry-run", "--record", str(other))
    assert done.code == 2
    assert f"{other} is a record of other weights" in done.err
    part = {**own, "complete": False, "n": {"expected": 9, "scored": 8}}
    (run / "record.json").write_text(json.dumps(part))
    done = cli("push", str(adapter), NAME, "--dry-run", "--record", str(run))
    assert "has 8 of 9 samples: not on the card" in done.err
    assert "No evaluation of these weights" in done.out


def test_what_was_written_by_hand_stays(adapter: Path, cli: Callable[..., Any]) -> None:
    path = adapter / "README.md"
    text = path.read_text().replace("---\nlib", "---\nlanguage: de\nlicense: mit\nlib", 1)
    path.write_text(text + "\n## Thanks\n\nTo all.\n")
    before = path.read_bytes()
    card = ModelCard(dry(cli, str(adapter), f"{NAME}", "--branch", "v2")["card"])
    assert (card.data["language"], card.data["license"]) == ("de", "mit")
    assert "## Thanks\n\nTo all.\n" in card.text
    assert f"adapter={NAME}@v2 context=none" in card.text
    assert "Of these weights: `mit`." in card.text
    assert path.read_bytes() == before


def test_a_dry_run_asks_no_hub(adapter: Path, hub: Hub, cli: Callable[..., Any]) -> None:
    done = cli("push", str(adapter), NAME, "--dry-run")
    assert done.code == 0
    assert hub.asked == []
    size = (adapter / WEIGHTS).stat().st_size
    assert f"{size:,} bytes  {WEIGHTS}" in done.out
    assert done.out.endswith(f"would go to {NAME}; nothing was uploaded\n")


def spoil_backbone(folder: Path, **changed: Any) -> None:
    path = folder / "delta_mem_config.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, **changed}))


def spoil_weights(folder: Path, change: Callable[[torch.Tensor], torch.Tensor]) -> None:
    tensors = load_file(folder / WEIGHTS)
    first = min(tensors)
    save_file({**tensors, first: change(tensors[first])}, folder / WEIGHTS)


def rewrite_card(folder: Path, old: str, new: str) -> None:
    path = folder / "README.md"
    path.write_text(path.read_text().replace(old, new, 1))


def lead_elsewhere(path: Path) -> None:
    """The file by a link to its content outside the folder."""
    moved = Path("private").absolute()
    path.rename(moved)
    path.symlink_to(moved)


def rewrite_as_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "pickle": (
        lambda folder: (folder / "delta_mem_adapter.pt").touch(),
        "holds delta_mem_adapter.pt, which does not belong to a δ-mem adapter",
    ),
    "optimiser": (lambda folder: (folder / "optimizer.bin").touch(), "holds optimizer.bin"),
    "peft": (
        lambda folder: (folder / "adapter_config.json").write_text('{"peft_type": "LORA"}'),
        "holds adapter_config.json",
    ),
    "unfinished": (
        lambda folder: (folder / "README.md").unlink(),
        "is not a complete adapter (README.md is missing)",
    ),
    "a card elsewhere": (
        lambda folder: lead_elsewhere(folder / "README.md"),
        "is a link to another place",
    ),
    "weights elsewhere": (
        lambda folder: lead_elsewhere(folder / WEIGHTS),
        "is a link to another place",
    ),
    "a folder for a card": (
        lambda folder: rewrite_as_folder(folder / "README.md"),
        "is a link to another place",
    ),
    "damaged": (lambda folder: (folder / WEIGHTS).write_bytes(b"x"), "is damaged"),
    "diverged": (
        lambda folder: spoil_weights(folder, lambda w: w * float("nan")),
        "weights that are not finite",
    ),
    "other weights": (
        lambda folder: spoil_weights(folder, lambda w: w + 1),
        "describes other weights",
    ),
    "other shapes": (lambda folder: spoil_backbone(folder, rank=4), "need (16, 128)"),
    "no backbone": (
        lambda folder: spoil_backbone(folder, backbone=None),
        "does not say on which backbone it was trained",
    ),
    "front matter": (
        lambda folder: rewrite_card(folder, "library_name:", "tags: ["),
        "front matter of",
    ),
}


@pytest.mark.parametrize(("spoil", "sentence"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_published(
    spoil: Callable[[Path], object],
    sentence: str,
    adapter: Path,
    hub: Hub,
    cli: Callable[..., Any],
) -> None:
    spoil(adapter)
    done = cli("push", str(adapter), NAME)
    assert done.code == 2
    assert sentence in done.err
    assert done.err.count("\n") == 1
    assert hub.asked == []


def test_what_is_named_wrongly(
    adapter: Path, cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "nowhere is not a folder" in cli("push", "nowhere", NAME).err
    assert (
        "'memory' is not a name for a repository of the hub"
        in cli("push", str(adapter), "memory").err
    )
    done = cli("push", str(adapter), NAME, "--dry-run", "--record", "nowhere")
    assert (done.code, "there is no record in nowhere" in done.err) == (2, True)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    done = cli("push", str(adapter), NAME)
    assert done.code == 4
    assert "cannot be reached: HF_HUB_OFFLINE is set" in done.err
    assert "hf_secret" not in done.err


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(("--branch", name) for name in ("", "a b", "-x", "a..b", "a/", "x.lock", "a\nb", "/a")),
        *(("--license", name) for name in ("", "mit\ntags: [evil]", "a: b", "[]")),
        *(("--message", text) for text in ("", " \n")),
    ],
)
def test_what_would_be_read_as_something_else(
    option: str, value: str, adapter: Path, hub: Hub, cli: Callable[..., Any]
) -> None:
    done = cli("push", str(adapter), NAME, option, value)
    assert done.code == 2
    assert done.err.startswith(f"error: {option} is {value!r}: ")
    assert hub.asked == []


def test_a_backbone_from_a_folder_is_said(adapter: Path, cli: Callable[..., Any]) -> None:
    spoil_backbone(adapter, backbone={"name": "mine", "revision": None, "fingerprint": "0"})
    done = cli("push", str(adapter), NAME, "--dry-run")
    assert done.code == 0
    assert "the card names no base_model" in done.err
    assert f"deltamem eval model=hf model.id=FOLDER adapter={NAME}" in done.out


def test_backbones_are_named_as_the_command_line_names_them() -> None:
    pinned = "b968826d9c46dd6066d109eabc6255188de91218"
    known = named_backbone({"name": "Qwen/Qwen3-8B", "revision": pinned})
    assert known.words == ("model=qwen3-8b",)
    words = (
        '"Qwen/Qwen3-8B"',
        f'revision="{pinned}"',
        'template_kwargs={"enable_thinking": False}',
    )
    lines = "".join(f"    {word},\n" for word in words)
    assert known.call == f"load_backbone(\n{lines})"
    other = named_backbone({"name": "Qwen/Qwen3-8B", "revision": "f" * 40})
    assert other.words == ("model=qwen3-8b", f"model.revision={'f' * 40}")
    any_ = named_backbone({"name": "someone/llm", "revision": "a" * 40})
    assert any_.words == ("model=hf", "model.id=someone/llm", f"model.revision={'a' * 40}")
