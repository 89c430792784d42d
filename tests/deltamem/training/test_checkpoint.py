"""Checkpoints: whole or passed over, only the last two, and what a kill or a full disk leaves."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deltamem.training import Checkpoints
from deltamem.training.checkpoint import Checkpoint
from deltamem.training.resuming import Resuming
from deltamem_base.faults import CannotWrite, InvalidInput, Partial


def checkpoint(step: int) -> Checkpoint:
    return Checkpoint(
        step=step,
        learner={"weight": torch.full((3,), float(step))},
        optimizer={"0.exp_avg": torch.full((3,), -float(step)), "0.step": torch.tensor(step)},
    )


def saved(folder: Path, *steps: int) -> Checkpoints:
    checkpoints = Checkpoints(folder, key="k")
    for step in steps:
        checkpoints.save(checkpoint(step))
    return checkpoints


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def found_step(checkpoints: Checkpoints) -> int | None:
    found, _ = checkpoints.latest()
    if found is None:
        return None
    assert torch.equal(found.learner["weight"], torch.full((3,), float(found.step)))
    assert found.optimizer["0.step"] == found.step
    return found.step


@given(data=st.data())
def test_any_damage_is_noticed(data: st.DataObject) -> None:
    """A byte of any file flipped, or the file cut: the one before is taken, and it is said."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        checkpoints = saved(folder, 4, 6)
        file = data.draw(st.sampled_from(sorted((folder / "step-00000006").iterdir())))
        content = file.read_bytes()
        at = data.draw(st.integers(0, len(content) - 1))
        if data.draw(st.booleans()):
            file.write_bytes(content[:at])
        else:
            bit = 1 << data.draw(st.integers(0, 7))
            file.write_bytes(content[:at] + bytes([content[at] ^ bit]) + content[at + 1 :])
        found, notes = checkpoints.latest()
        assert found is not None
        if found.step == 6:  # white space of the JSON, which says nothing
            assert json.loads(file.read_text()) == json.loads(content)
        else:
            assert found.step == 4
            assert len(notes) == 1
            assert "step-00000006 is damaged and was passed over (" in notes[0]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("[" * 100_000, "nested too deeply"),
        ('{"step": ' + "[" * 500 + "]" * 500 + "}", "nested too deeply"),
        ("[]", "the content is a list; it must be an object"),
        ('{"step": 6}', "the key key is missing"),
        ('{"step": 1e400, "key": "k", "sha256": {}, "digest": ""}', "step is Infinity"),
        ('{"step": true, "key": "k", "sha256": {}, "digest": ""}', "step is true; it must be a wh"),
        ('{"step": 6, "key": "k", "sha256": [], "digest": ""}', "sha256 is a list; it must be an"),
        ('{"step": 6, "key": "k", "sha256": {}, "digest": ""}', "is not what was written"),
        (f'{{"step": {"9" * 5000}}}', "trainer.json"),
    ],
    ids=lambda value: value[:30],
)
def test_a_newest_one_of_nonsense_falls_back(content: str, sentence: str, tmp_path: Path) -> None:
    checkpoints = saved(tmp_path, 4, 6)
    (tmp_path / "step-00000006" / "trainer.json").write_text(content)
    found, (note,) = checkpoints.latest()
    assert found is not None
    assert found.step == 4
    assert sentence in note
    assert "\n" not in note


def test_only_the_last_two_are_kept(tmp_path: Path) -> None:
    saved(tmp_path, 2, 4, 6)
    assert names(tmp_path) == ["step-00000004", "step-00000006"]


def test_what_is_damaged_never_takes_the_place_of_what_is_whole(tmp_path: Path) -> None:
    """All were damaged and the run began again: its first checkpoint is the oldest by number."""
    saved(tmp_path, 4, 6)
    for path in tmp_path.glob("*/trainer.json"):
        path.unlink()
    checkpoints = Checkpoints(tmp_path, key="k")
    found, notes = checkpoints.latest()
    assert found is None
    assert len(notes) == 2
    checkpoints.save(checkpoint(2))
    assert names(tmp_path) == ["step-00000002"]
    assert found_step(checkpoints) == 2


def test_what_a_kill_left_is_dropped(tmp_path: Path) -> None:
    saved(tmp_path, 4, 6)
    (tmp_path / ".step-00000005.part").mkdir()
    shutil.copytree(tmp_path / "step-00000004", tmp_path / "step-00000002")
    (tmp_path / "step-00000002" / "trainer.json").unlink()
    checkpoints = Checkpoints(tmp_path, key="k")
    assert found_step(checkpoints) == 6
    checkpoints.tidy()
    assert names(tmp_path) == ["step-00000004", "step-00000006"]


def test_those_of_another_run_are_refused_unless_there_is_one_of_ours(tmp_path: Path) -> None:
    saved(tmp_path, 2, 4)
    with pytest.raises(InvalidInput, match="of another configuration: move"):
        Checkpoints(tmp_path, key="other").latest()
    assert names(tmp_path) == ["step-00000002", "step-00000004"]
    Checkpoints(tmp_path, key="other").save(checkpoint(6))
    found, notes = Checkpoints(tmp_path, key="k").latest()
    assert found is not None
    assert found.step == 4
    (note,) = notes
    assert note.endswith("step-00000006 belongs to another configuration and was passed over")


def test_one_that_cannot_be_written_says_where_the_run_goes_on(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotWrite, match="step-00000002 cannot be written"):
        saved(tmp_path / "file" / "below", 2)
    checkpoints = Checkpoints(tmp_path, key="k")
    with pytest.raises(Partial, match="it starts from the beginning"), checkpoints.going_on():
        raise CannotWrite("x cannot be written")
    checkpoints.save(checkpoint(4))
    with pytest.raises(Partial, match="it goes on after step 4"), checkpoints.going_on():
        raise CannotWrite("x cannot be written")


def step_3() -> Checkpoint:
    optimizer = {"0.step": torch.tensor(3.0)}
    optimizer |= {f"0.{name}": torch.zeros(4, 2) for name in ("exp_avg", "exp_avg_sq")}
    return Checkpoint(step=3, learner={"weight": torch.zeros(4, 2)}, optimizer=optimizer)


@pytest.mark.parametrize(
    ("part", "name", "tensor"),
    [
        ("learner", "weight", torch.zeros(2, 4)),
        ("learner", "weight", torch.zeros(4, 2, dtype=torch.int64)),
        ("learner", "weight", torch.full((4, 2), torch.nan)),
        ("learner", "other", torch.zeros(4, 2)),
        ("optimizer", "0.exp_avg", torch.zeros(3)),
        ("optimizer", "0.exp_avg", torch.full((4, 2), torch.inf)),
        ("optimizer", "0.step", torch.zeros(4, 2)),
        ("optimizer", "0.other", torch.zeros(())),
        ("optimizer", "7.step", torch.zeros(())),
        ("optimizer", "step", torch.zeros(())),
        ("optimizer", "x.y", torch.zeros(())),
    ],
)
def test_right_digests_of_wrong_tensors(
    part: str, name: str, tensor: torch.Tensor, tmp_path: Path
) -> None:
    """Whoever changes the tensors can write their digests too."""
    checkpoints = Checkpoints(tmp_path, key="k")
    layer = torch.nn.Linear(2, 4, bias=False)
    run = Resuming(
        learner=layer,  # type: ignore[arg-type]
        optimizer=torch.optim.AdamW(layer.parameters()),
        parameters=list(layer.parameters()),
        checkpoints=checkpoints,
    )
    good = step_3()
    checkpoints.save(good)
    checkpoints.save(replace(good, step=4, **{part: {**getattr(good, part), name: tensor}}))
    notes: list[str] = []
    assert run.load(notes.append) == 3
    assert "step-00000004 is damaged and was passed over" in notes[0]
    assert torch.equal(layer.weight, torch.zeros(4, 2))
