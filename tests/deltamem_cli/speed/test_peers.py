"""Real prompts by two loops: the same answers, to the byte."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from good_rows import CASES

from deltamem_cli.errors import UsageError
from deltamem_cli.screen.console import Console
from deltamem_cli.speed.locomo import locomo_figures
from deltamem_cli.speed.peers import lm_eval_answers, own_answers
from deltamem_cli.speed.suites import WITH_DATA, measure

TEXTS = [
    "Where is Ada?",
    "Today Ben is in Oslo. Today Eva is in Rome. Where is Ben today?",
    "Write about a cat. Use no commas.",
    "Hi",
    "Today Ada is in Bern. Where is Ada today? Say it in one word, please.",
]


@pytest.mark.parametrize("side_by_side", [1, 2, 5])
def test_answers_are_those_of_lm_eval(tiny: Any, side_by_side: int) -> None:
    kind = pytest.importorskip("lm_eval.models.huggingface").HFLM
    settings = {"side_by_side": side_by_side, "new_tokens": 12}
    own = own_answers(tiny, TEXTS, **settings)
    assert own == lm_eval_answers(kind, tiny, TEXTS, **settings)
    assert len(set(own)) > 1


def test_a_suite_that_takes_no_file_says_which_do() -> None:
    assert set(WITH_DATA) == {"eval", "peers"}
    with pytest.raises(UsageError, match="'bench scan' takes no --data; eval takes LoCoMo's"):
        measure("scan", console=Console(), data=Path("file"))


def test_a_conversation_is_written_once(tiny: Any, tmp_path: Path) -> None:
    file = tmp_path / "locomo10.json"
    file.write_text(json.dumps(CASES["locomo"].rows))
    (figure,) = locomo_figures(
        lambda d, t: None, data=file, backbone=tiny, asked=2, new_tokens=2, side_by_side=2
    )
    assert figure.name == "eval.locomo"
    assert figure.ratio > 0
    assert "read for each of 3 questions over written once" in figure.setting
