"""Backbones whose chat template has habits of its own, through whole commands."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from chat_templates import CHATML, NO_SYSTEM

from deltamem.backbone import INSTRUCTIONS_MOVED, tiny_folder

FEW = ("bench=recall", "method=frozen", "context=visible", "bench.dialogues=1", "bench.facts=[2]")
ROW = {
    "_id": "q1",
    "question": "Where is Ada?",
    "answer": "Oslo",
    "type": "bridge",
    "level": "hard",
    "supporting_facts": [["Ada", 0]],
    "context": [["Ada", ["Ada is in Oslo."]], ["Ben", ["Ben is in Rome.", " He is well."]]],
}


def folder(template: str, **config: Any) -> str:
    """A model folder with another template, and the words that name it."""
    made = Path("model")
    shutil.copytree(tiny_folder(), made, ignore=shutil.ignore_patterns("adapters"))
    (made / "chat_template.jinja").write_text(template)
    for name, changes in config.items():
        path = made / f"{name}.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    return f"model.id={made}"


@pytest.mark.parametrize("context", ["none", "visible"])
@pytest.mark.parametrize("template", [NO_SYSTEM, CHATML], ids=["no_system", "chatml"])
def test_instructions_without_a_place_are_stamped(
    template: str, context: str, cli: Callable[..., Any]
) -> None:
    Path("hotpot.json").write_text(json.dumps([ROW]))
    words = ("bench=hotpotqa", "bench.path=hotpot.json", "method=frozen", f"context={context}")
    done = cli("eval", "model=hf", folder(template), *words, "--json")
    assert done.code == 0, done.err
    record = json.loads(done.out)
    assert (INSTRUCTIONS_MOVED in record["deviations"]) is (template is NO_SYSTEM)
    done = cli("eval", "model=hf", "model.id=model", "method=frozen", "bench.dialogues=1", "--json")
    assert INSTRUCTIONS_MOVED not in json.loads(done.out)["deviations"]


def test_training_stamps_them_too(cli: Callable[..., Any]) -> None:
    said = ("Be kind.", "Ada is in Oslo.", "Noted.", "Where is Ada?", "In Oslo.")
    roles = ("system", "user", "assistant", "user", "assistant")
    talk = [{"role": r, "content": c} for r, c in zip(roles, said, strict=True)]
    Path("talks.jsonl").write_text(json.dumps({"messages": talk}) + "\n")
    words = ("training=chat", "training.data.path=talks.jsonl", "training.data.held_out=0")
    done = cli("train", "model=hf", folder(NO_SYSTEM), *words, "training.batch_size=1", "--json")
    assert done.code == 0, done.err
    card = Path(json.loads(done.out)["path"], "README.md").read_text()
    assert INSTRUCTIONS_MOVED in " ".join(card.split())


def test_the_end_of_a_turn_is_found_in_the_template(cli: Callable[..., Any]) -> None:
    """With the end of sequence of a base model kept, exact match fell from 1.0 to 0.25."""
    named = {"eos_token": "<|endoftext|>"}
    words = folder(CHATML, tokenizer_config=named, generation_config={"eos_token_id": 0})
    theirs, tiny = (
        json.loads(cli("eval", *model, *FEW, "--json").out)
        for model in (("model=hf", words), ("model=tiny",))
    )
    assert theirs["metrics"]["em"]["mean"] == tiny["metrics"]["em"]["mean"] == 1.0
    assert theirs["cost"]["new_tokens"] == tiny["cost"]["new_tokens"]


def test_answers_that_never_end_are_a_deviation(cli: Callable[..., Any]) -> None:
    def deviations(*words: str) -> str:
        done = cli("eval", "model=tiny", "method=frozen", "context=visible", *words, "--json")
        assert done.code == 0, done.err
        return "; ".join(json.loads(done.out)["deviations"])

    cut = "answers were cut off at their limit of new tokens"
    assert cut in deviations(*FEW, "bench.max_new_tokens=1")
    assert cut not in deviations(*FEW)
    length = ("bench=throughput", "bench.tokens=32", "bench.max_new_tokens=1", "bench.repeats=1")
    assert cut not in deviations(*length)
