"""Damaged files of every kind end in one sentence, or in the truth."""

from __future__ import annotations

import shutil
from pathlib import Path
from random import Random

import pytest
from outcomes import ROUNDS, check_nothing_ran, outcome
from readers import KINDS
from sentence_splitter import write_splitter

from deltamem_base.faults import Fault

FEW = 12
"""Damaged files of each kind in the default run."""


def fuzz(name: str, folder: Path, seeds: range) -> None:
    kind = KINDS[name]
    good = folder / "good"
    good.mkdir()
    kind.make(good)
    work = folder / "work"
    shutil.copytree(good, work)
    truth = outcome(lambda: kind.read(work))
    assert not isinstance(truth, Fault), truth
    for seed in seeds:
        rng = Random(f"{name} {seed}")
        file = rng.choice(sorted(kind.damage))
        shutil.rmtree(work)
        shutil.copytree(good, work)
        (work / file).write_bytes(kind.damage[file]((good / file).read_bytes(), rng))
        try:
            found = outcome(lambda: kind.read(work))
            assert not kind.sealed or isinstance(found, Fault) or found == truth
            check_nothing_ran(work)
        except Exception as fault:
            raise AssertionError(f"{name}, seed {seed}, {file}: {fault!r}") from fault


@pytest.fixture(autouse=True)
def _splitter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """IFEval asks for it before it reads a row."""
    from nltk import data

    monkeypatch.setattr(data, "path", [str(write_splitter(tmp_path / "nltk"))])


@pytest.mark.parametrize("name", KINDS)
def test_a_few(name: str, in_folder: Path) -> None:
    fuzz(name, in_folder, range(FEW))


@pytest.mark.fuzz_long
@pytest.mark.parametrize("name", KINDS)
def test_many(name: str, in_folder: Path) -> None:
    fuzz(name, in_folder, range(FEW, FEW + ROUNDS))
