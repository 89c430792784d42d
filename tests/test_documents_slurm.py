"""Every command that a launcher starts in ``docs/slurm.md`` has settings that exist."""

from __future__ import annotations

import re
import shlex

import pytest
from conftest import ROOT

from deltamem_cli.settings.compose import compose_each

PAGE = (ROOT / "docs" / "slurm.md").read_text(encoding="utf-8").replace("\\\n", " ")
LAUNCHED = re.compile(r"^.*(?:torchrun|accelerate launch) .*-m deltamem_cli (.+)$", re.MULTILINE)
OF_SLURM = re.compile(r"`'(\+hydra\.launcher\..+?=.+?)'`")


def test_there_are_an_evaluation_and_a_training() -> None:
    assert {command.split()[0] for command in LAUNCHED.findall(PAGE)} == {"eval", "train"}


@pytest.mark.parametrize("command", LAUNCHED.findall(PAGE))
def test_what_a_launcher_starts_is_composed(command: str) -> None:
    verb, *words = shlex.split(command)
    compose_each(verb, [words])


def test_other_options_of_sbatch_have_a_place() -> None:
    (word,) = OF_SLURM.findall(PAGE)
    others = [f"hydra.launcher.{name}=mine" for name in ("account", "qos", "constraint")]
    compose_each("ablate", [["experiment=heads", "hydra/launcher=submitit_slurm", word, *others]])
