"""The card: front matter that the hub's own classes read, sections that can be replaced."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

from deltamem import DeltaMemConfig, DeltaMemory
from deltamem.adapter.card import how_to_load, loading_call, model_card, stated_sha, with_section
from deltamem.writers import SegmentWriter

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def memory(tiny: Any) -> DeltaMemory:
    config = DeltaMemConfig(writer=SegmentWriter())
    return DeltaMemory(config, tiny.model).initialise(tiny.model, seed=1)


def card_of(memory: DeltaMemory, backbone: Any, **facts: Any) -> ModelCard:
    return ModelCard(model_card(memory, backbone, facts=facts))


def metadata(card: ModelCard) -> Mapping[str, Any]:
    found: Mapping[str, Any] = card.data.to_dict()
    return found


def test_a_backbone_of_the_hub_is_the_base_model(memory: DeltaMemory, tiny: Any) -> None:
    backbone = replace(
        tiny, name="Qwen/Qwen3-8B", revision=COMMIT, template_kwargs={"think": False}
    )
    card = card_of(memory, backbone, data="allenai/qasper, train", seed=7, revision=None)
    assert metadata(card) == {
        "base_model": "Qwen/Qwen3-8B",
        "base_model_relation": "adapter",
        "datasets": ["allenai/qasper"],
        "library_name": "deltamem",
        "pipeline_tag": "text-generation",
        "tags": ["delta-mem", "memory"],
    }
    assert f"`Qwen/Qwen3-8B` at revision `{COMMIT}`" in card.text
    call = f"""load_backbone(
    "Qwen/Qwen3-8B",
    revision="{COMMIT}",
    template_kwargs={{"think": False}},
)"""
    assert f"\nbackbone = {call}\n" in card.text
    assert "| writes | once per message, by the mean of its hidden vectors |" in card.text
    assert f"| trained numbers | {memory.trained_parameters:,} |" in card.text
    assert "(seed 7)" in card.text
    assert "| revision |" not in card.text
    assert stated_sha(card.text) == memory.sha


def test_a_folder_is_no_base_model_and_its_path_stays_here(
    memory: DeltaMemory, tiny: Any, tmp_path: Path
) -> None:
    (tmp_path / "qwen").mkdir()
    card = card_of(memory, replace(tiny, name=str(tmp_path / "qwen")), data="mine.jsonl")
    assert "base_model" not in metadata(card)
    assert "datasets" not in metadata(card)
    assert str(tmp_path) not in card.content
    assert 'load_backbone("FOLDER OF qwen")' in card.text


@pytest.mark.parametrize(
    ("revision", "switches"), [(None, {}), (COMMIT, {"enable_thinking": False, "role": "tool"})]
)
def test_the_lines_in_python_are_left_alone_by_a_formatter(
    revision: str | None, switches: Mapping[str, object], tmp_path: Path
) -> None:
    call = loading_call("Qwen/Qwen3-8B", revision=revision, switches=switches)
    lines = how_to_load("FOLDER", model=(), evaluations=(), call=call)
    (tmp_path / "card.md").write_text(lines, encoding="utf-8")
    pyproject = Path(__file__).parents[3] / "pyproject.toml"
    ruff = [sys.executable, "-m", "ruff", "format", "--check", "--config", str(pyproject)]
    done = subprocess.run([*ruff, str(tmp_path / "card.md")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_bar_in_a_fact_ends_no_column(memory: DeltaMemory, tiny: Any) -> None:
    assert r"| command | a\|b |" in card_of(memory, tiny, command="a|b").text


def test_sections_are_replaced_or_added() -> None:
    text = "# Title\n\nWords.\n\n## One\n\nold\n\n### Part\n\n## Two\n\nkept\n"
    replaced = with_section(text, "One", "new")
    assert replaced == "# Title\n\nWords.\n\n## One\n\nnew\n\n## Two\n\nkept\n"
    assert with_section(replaced, "One", "new") == replaced
    assert with_section(text, "Three", "last").endswith("\n\nkept\n\n## Three\n\nlast\n")
    before = with_section(text, "Three", "first", before="Two")
    assert "### Part\n\n## Three\n\nfirst\n\n## Two\n" in before
    assert with_section("# Title\n", "One", "a", before="none") == "# Title\n\n## One\n\na\n"


def test_the_lines_in_python_answer_from_memory(capsys: pytest.CaptureFixture[str]) -> None:
    folder = Path(__file__).parents[3] / "deltamem" / "tiny" / "adapters" / "msw"
    call = loading_call("tiny", revision=None, switches={})
    lines = how_to_load(
        str(folder), model=("model=tiny",), evaluations=[("bench=recall",)], call=call
    )
    assert f"deltamem eval model=tiny adapter={folder} bench=recall\n" in lines
    (code,) = re.findall(r"```python\n(.*?)```", lines, re.DOTALL)
    exec(code, {})
    assert capsys.readouterr().out == "Today Anna is in Paris.\n"
