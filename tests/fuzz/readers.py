"""Every kind of file that others may give: a good one, the damage, and the reader that takes it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from conftest import ROOT
from good_rows import CASES
from mutations import Damage, damaged_bytes, damaged_header, damaged_json, damaged_lines

from deltamem.backbone import tiny_folder
from deltamem.training import Checkpoints, StepLog
from deltamem.training.checkpoint import Checkpoint
from deltamem.training.resuming import Resuming

EPISODE = {
    "id": "a",
    "messages": [
        {"role": "user", "content": "The key is in room 4."},
        {"role": "assistant", "content": "ok"},
        {"role": "user", "content": "Where is the key?"},
        {"role": "assistant", "content": "room 4"},
    ],
    "write": 2,
}


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of file or folder."""

    make: Callable[[Path], object]
    """Fills an empty folder."""
    damage: Mapping[str, Damage]
    """File of the folder -> how it is damaged."""
    read: Callable[[Path], Any]
    """Reads the folder as a verb does."""
    sealed: bool = False
    """Whether damage must show: what is read is what was written, or nothing."""


def _lines(name: str) -> Callable[[Path], object]:
    text = "\n".join(json.dumps({**EPISODE, "id": str(n)}) for n in range(3)) + "\n"
    return lambda folder: (folder / name).write_text(text)


def _episodes(folder: Path) -> Any:
    from deltamem_cli.training_data.jsonl import read_episodes

    return read_episodes(folder / "data.jsonl")


def _chats(folder: Path) -> Any:
    from deltamem_cli.training_data import ChatData

    written = yaml.safe_load((ROOT / "conf" / "data" / "chat.yaml").read_text(encoding="utf-8"))
    settings = {key: value for key, value in written.items() if key != "_target_"}
    given = {"path": str(folder / "data.jsonl"), "held_out": 1}
    return ChatData(**{**settings, **given}).load()


def _paper(folder: Path) -> Any:
    from deltamem_evaluations.paper.numbers import Paper

    return Paper.read(folder / "paper.yaml")


def _adapter(folder: Path) -> Any:
    from deltamem import load_adapter, load_tiny
    from deltamem.adapter.files import stored_origin
    from deltamem.adapter.weights import stored_sha

    made = load_adapter(folder, load_tiny())
    return made.sha, stored_origin(folder), stored_sha(folder), made.config


def _pickled(folder: Path) -> None:
    from deltamem import load_adapter, load_tiny, save_published_adapter

    tiny = load_tiny()
    save_published_adapter(
        load_adapter(tiny_folder() / "adapters" / "tsw", tiny), folder, backbone=tiny
    )


def _state(folder: Path) -> None:
    from deltamem import load_adapter, load_tiny
    from deltamem.memory.state_file import save_state

    tiny = load_tiny()
    memory = load_adapter(tiny_folder() / "adapters" / "tsw", tiny)
    save_state(folder / "one.dmstate", memory.zeros(1), memory=memory, backbone=tiny)


def _saved_state(folder: Path) -> Any:
    from deltamem.memory.state_file import read_state

    saved = read_state(folder / "one.dmstate")
    return saved.manifest, {i: s.tolist() for i, s in saved.state.layers.items()}


def _run(folder: Path) -> tuple[torch.nn.Linear, Resuming]:
    layer = torch.nn.Linear(2, 4, bias=False)
    return layer, Resuming(
        learner=layer,  # type: ignore[arg-type]
        optimizer=torch.optim.AdamW(layer.parameters()),
        parameters=list(layer.parameters()),
        checkpoints=Checkpoints(folder, key="k"),
    )


def _checkpoints(folder: Path) -> None:
    for step in (3, 4):
        moments = {f"0.{name}": torch.ones(4, 2) for name in ("exp_avg", "exp_avg_sq")}
        learner = {"weight": torch.ones(4, 2)}
        optimizer = {**moments, "0.step": torch.tensor(float(step))}
        saved = Checkpoint(step=step, learner=learner, optimizer=optimizer)
        Checkpoints(folder, key="k").save(saved)


def _resumed(folder: Path) -> Any:
    layer, run = _run(folder)
    assert run.load(lambda note: None) in (3, 4), "an older one is good"
    return layer.weight.tolist()


def _backbone(folder: Path) -> Any:
    from deltamem.backbone import load_backbone

    loaded = load_backbone(str(folder), device="cpu", dtype="float32")
    return loaded.fingerprint, loaded.window


def _log(folder: Path) -> None:
    rows = (json.dumps({"step": n, "steps": 3, "loss": 0.5, "em": 0.1}) for n in (1, 2, 3))
    (folder / "train.jsonl").write_text("\n".join(rows) + "\n")


def _logged(folder: Path) -> Any:
    log = StepLog(folder / "train.jsonl")
    log.resume(2)
    return log.known()


def _judged(folder: Path) -> None:
    from deltamem_evaluations.judging.verdicts import Verdict, Verdicts

    one = Verdict(id="q1", model="m", rules="a judge, version 1", said="yes", value=1.0)
    Verdicts(verdicts={"k": one}, scores={"a judge": {"q1": 1.0}}).write(folder)


def _verdicts(folder: Path) -> Any:
    from deltamem_evaluations.judging.verdicts import read_verdicts

    return read_verdicts(folder).verdicts


def _copied(source: Path) -> Callable[[Path], object]:
    """Of a folder its own files."""

    def copy(folder: Path) -> None:
        for path in source.iterdir():
            if path.is_file():
                shutil.copy(path, folder)

    return copy


def _rows(name: str) -> Kind:
    def read(folder: Path) -> Any:
        benchmark = CASES[name].make(path=str(folder / "rows.json"))
        benchmark.load()
        return [(s.id, s.question, s.references) for s in benchmark.samples()]

    return Kind(
        make=lambda folder: (folder / "rows.json").write_text(json.dumps(CASES[name].rows)),
        damage={"rows.json": damaged_json},
        read=read,
    )


OURS = {"delta_mem_config.json": damaged_json, "delta_mem_adapter.safetensors": damaged_header}
THEIRS = {"delta_mem_config.json": damaged_json, "delta_mem_adapter.pt": damaged_bytes}
STEP = "step-00000004"
KINDS = {
    "training jsonl": Kind(
        make=_lines("data.jsonl"), damage={"data.jsonl": damaged_lines}, read=_episodes
    ),
    "chat data": Kind(make=_lines("data.jsonl"), damage={"data.jsonl": damaged_lines}, read=_chats),
    "paper.yaml": Kind(
        make=lambda folder: shutil.copy(ROOT / "results" / "paper.yaml", folder),
        damage={"paper.yaml": damaged_bytes},
        read=_paper,
    ),
    "adapter": Kind(make=_copied(tiny_folder() / "adapters" / "tsw"), damage=OURS, read=_adapter),
    "adapter of the authors": Kind(make=_pickled, damage=THEIRS, read=_adapter),
    "state": Kind(
        make=_state, damage={"one.dmstate": damaged_header}, read=_saved_state, sealed=True
    ),
    "checkpoint": Kind(
        make=_checkpoints,
        damage={
            f"{STEP}/trainer.json": damaged_json,
            f"{STEP}/learner.safetensors": damaged_header,
            f"{STEP}/optimizer.safetensors": damaged_header,
        },
        read=_resumed,
        sealed=True,
    ),
    "model folder": Kind(
        make=_copied(tiny_folder()),
        damage={
            "config.json": damaged_json,
            "generation_config.json": damaged_json,
            "tokenizer.json": damaged_json,
            "tokenizer_config.json": damaged_json,
            "chat_template.jinja": damaged_bytes,
            "model.safetensors": damaged_header,
        },
        read=_backbone,
    ),
    "verdicts.json": Kind(make=_judged, damage={"verdicts.json": damaged_json}, read=_verdicts),
    "train.jsonl": Kind(make=_log, damage={"train.jsonl": damaged_lines}, read=_logged),
    **{f"rows of {name}": _rows(name) for name in CASES},
}
