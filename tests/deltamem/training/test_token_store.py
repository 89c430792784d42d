"""Kept tokens: the same batches, made once, never trusted when damaged, safe side by side."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from deltamem import DeltaMemConfig, DeltaMemory, InvalidInput
from deltamem.training import Ask, DeltaMemLearner, Episode, tokenise
from deltamem.writers import SegmentWriter, TokenWriter

LENGTH = 128


def episode(number: int) -> Episode:
    """``number`` messages; the first episode writes nothing."""
    roles = ("user", "assistant")
    written = [{"role": roles[i % 2], "content": f"Line {i} of {number}."} for i in range(number)]
    asks = [
        Ask(visible=[{"role": "user", "content": f"Which {a}?"}], answer=f"Number {number}, {a}.")
        for a in range(1 + number % 2)
    ]
    return Episode(id=f"e{number}", written=written, asks=asks)


EPISODES = [episode(i) for i in range(5)]


def learner(backbone: Any, writer: Any, *, write_length: int = LENGTH) -> DeltaMemLearner:
    memory = DeltaMemory(DeltaMemConfig(writer=writer, rank=4), backbone.model)
    return DeltaMemLearner(
        backbone, memory, write_length=write_length, read_length=LENGTH, gate_target=0.05
    )


def kept(made: DeltaMemLearner, folder: Path, **changes: Any) -> Any:
    settings = {
        "encode": made.encode,
        "depends_on": made.tokens_depend_on,
        "read_length": LENGTH,
        **changes,
    }
    return tokenise(EPISODES, folder, **settings)


def never(episode: Episode) -> Any:
    raise AssertionError(f"{episode.id} was tokenised again")


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.safetensors"))


@pytest.mark.parametrize("writer", [TokenWriter(), SegmentWriter()], ids=["tsw", "ssw"])
@pytest.mark.parametrize("write_length", [LENGTH, 7])
def test_the_same_batches(writer: Any, write_length: int, tiny: Any, tmp_path: Path) -> None:
    made = learner(tiny, writer, write_length=write_length)
    fresh = kept(made, tmp_path)
    again = kept(made, tmp_path, encode=never)
    assert len(fresh) == len(again) == len(EPISODES)
    assert [e.id for e in again] == [e.id for e in EPISODES]
    for chosen in ([0], [0, 1], [4, 2, 3], range(5)):
        plain = made.batch([EPISODES[i] for i in chosen])
        for stored in (fresh, again):
            batch = made.batch([stored[i] for i in chosen])
            for name, wanted in vars(plain).items():
                got = getattr(batch, name)
                if isinstance(wanted, torch.Tensor):
                    assert (got.dtype, got.tolist()) == (wanted.dtype, wanted.tolist()), name
                else:
                    assert got == wanted, name


def test_everything_that_decides_tokens_makes_another_file(tiny: Any, tmp_path: Path) -> None:
    plain = learner(tiny, TokenWriter())
    kept(plain, tmp_path)
    others = [
        learner(tiny, SegmentWriter()),
        learner(tiny, TokenWriter(), write_length=7),
        learner(replace(tiny, template_date="2025-07-02"), TokenWriter()),
        learner(replace(tiny, template_kwargs={"enable_thinking": False}), TokenWriter()),
    ]
    for count, other in enumerate(others, 2):
        kept(other, tmp_path)
        assert len(files(tmp_path)) == count
    tokenise(
        [*EPISODES[:4], replace(EPISODES[4], id="other")],
        tmp_path,
        encode=plain.encode,
        depends_on=plain.tokens_depend_on,
        read_length=LENGTH,
    )
    assert len(files(tmp_path)) == len(others) + 2


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "not ours"])
def test_damage_is_noticed_and_mended(damage: str, tiny: Any, tmp_path: Path) -> None:
    made = learner(tiny, SegmentWriter())
    kept(made, tmp_path)
    (path,) = files(tmp_path)
    content = path.read_bytes()
    changed = {
        "truncated": content[: len(content) // 2],
        "flipped": content[:-1] + bytes([content[-1] ^ 1]),
        "empty": b"",
        "not ours": b"\x00" * 64,
    }[damage]
    path.write_bytes(changed)
    notes: list[str] = []
    mended = kept(made, tmp_path, on_note=notes.append)
    (note,) = notes
    assert note.startswith(f"{path} is damaged and is made anew (")
    assert mended[3].write_ids == made.encode(EPISODES[3]).write_ids
    assert path.read_bytes() == content
    kept(made, tmp_path, encode=never)


def test_a_folder_that_cannot_be_written(tiny: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    notes: list[str] = []
    made = learner(tiny, SegmentWriter())
    stored = kept(made, tmp_path / "file", on_note=notes.append)
    assert "the tokens cannot be kept in" in notes[0]
    assert stored[4].segments == made.encode(EPISODES[4]).segments


def test_what_is_too_long_is_said_before_training(tiny: Any, tmp_path: Path) -> None:
    made = learner(tiny, TokenWriter())
    for encode in (made.encode, never):  # kept tokens are held to it as well
        with pytest.raises(
            InvalidInput,
            match=r"e0: .* have \d+ tokens and training.read_length is 9 \(and 6 more, up to \d+",
        ):
            kept(made, tmp_path, read_length=9, encode=encode)


def test_progress(tiny: Any, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    kept(learner(tiny, TokenWriter()), tmp_path, on_episode=lambda *done: seen.append(done))
    assert seen == [(i, 5) for i in range(1, 6)]


SCRIPT = """
import hashlib, sys, time
from pathlib import Path
from deltamem.training import Ask, Episode, tokenise
from deltamem.training.collate import EncodedEpisode

made = 0

def encode(episode):
    global made
    made += 1
    time.sleep(0.02)
    ids = [ord(c) for c in episode.id]
    return EncodedEpisode(id=episode.id, write_ids=ids, segments=None, asks=[(ids, ids[::-1])])

episodes = [Episode(id=f"e{i}", written=[], asks=[Ask(visible=[], answer="")]) for i in range(50)]
stored = tokenise(episodes, Path(sys.argv[1]), encode=encode, depends_on={}, read_length=99)
digest = hashlib.sha256(repr([(e.id, e.write_ids, e.asks) for e in stored]).encode()).hexdigest()
print(made, digest)
"""


def test_two_at_once(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SCRIPT, str(tmp_path)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    counts, digests = zip(*(p.communicate()[0].split() for p in both), strict=True)
    assert sorted(counts) == ["0", "50"]  # the second waited, and took what the first had made
    wanted = []
    for number in range(50):
        ids = [ord(c) for c in f"e{number}"]
        wanted.append((f"e{number}", ids, [(ids, ids[::-1])]))
    assert set(digests) == {hashlib.sha256(repr(wanted).encode()).hexdigest()}
    (path,) = files(tmp_path)
    assert sorted(p.suffix for p in tmp_path.iterdir()) == [".lock", ".safetensors"]
    assert path.is_file()


def test_a_run_with_kept_tokens_ends_in_the_same_weights(tiny: Any, tmp_path: Path) -> None:
    from deltamem.training import Checkpoints, TrainingConfig, train

    ends = []
    for name, stored in (("text", False), ("tokens", True)):
        made = learner(tiny, SegmentWriter())
        made.memory.initialise(tiny.model, seed=0)
        episodes = kept(made, tmp_path / "t") if stored else EPISODES
        config = TrainingConfig(steps=3, batch_size=2, micro_batch_size=1, learning_rate=1e-2)
        train(made, episodes, config, checkpoints=Checkpoints(tmp_path / name, key="k"))
        ends.append(made.state_dict())
    assert all(torch.equal(weight, ends[1][name]) for name, weight in ends[0].items())
