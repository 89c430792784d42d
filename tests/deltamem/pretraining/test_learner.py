"""The embedded backbone in miniature: its loss, dying and going on, and the folder that ships."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import log_softmax

from deltamem.backbone import load_backbone, tiny_folder
from deltamem.pretraining import (
    BackboneConfig,
    BackboneLearner,
    Curriculum,
    build_tokenizer,
    new_backbone,
)
from deltamem.training import Checkpoints, StepReport, TrainingConfig, train
from deltamem_base.faults import InvalidInput
from deltamem_cli.training_data.pretraining_dialogues import RecallDialogues, tokenizer_texts

TOKENIZER = build_tokenizer(tokenizer_texts(), window=384)
SIZES = BackboneConfig(layers=1, width=32, head_dim=16, window=384)
RECIPE = TrainingConfig(
    steps=6,
    batch_size=3,
    micro_batch_size=2,
    learning_rate=1e-2,
    warmup=0.2,
    shuffle=False,
    checkpoint_every=2,
)
SAME = 1e-4
"""A sum of some hundred logarithms in another order, float32, relative."""
SMALL = (
    "training.steps=12",
    "training.batch_size=2",
    "training.micro_batch_size=2",
    "training.checkpoint_every=1",
    "copy_steps=6",
    "backbone.layers=1",
    "backbone.width=32",
    "backbone.window=384",
)


def learner(seed: int = 0) -> BackboneLearner:
    sizes = BackboneConfig(**{**vars(SIZES), "seed": seed})
    return BackboneLearner(new_backbone(sizes, TOKENIZER), TOKENIZER)


def curriculum() -> Curriculum:
    return Curriculum(
        TOKENIZER, RecallDialogues(), steps=RECIPE.steps or 0, copy_steps=2, batch=3, seed=0
    )


def test_the_loss_is_that_of_the_learnt_tokens() -> None:
    made, source = learner(), curriculum()
    sequences = [source[0], source[14], source[16]]
    assert len({len(s.ids) for s in sequences}) > 1, "padding takes part"
    with torch.no_grad():
        objective = made.loss(made.batch(sequences))
        expected = exact = 0.0
        for sequence in sequences:
            logits = made.model(torch.tensor([sequence.ids])).logits[0]
            pairs = [
                (log_softmax(logits[i - 1], -1), sequence.ids[i])
                for i, learnt in enumerate(sequence.learnt)
                if learnt
            ]
            expected -= float(sum(row[token] for row, token in pairs))
            exact += all(int(row.argmax()) == token for row, token in pairs)
    assert float(objective.cross_entropy) == pytest.approx(expected, rel=SAME)
    assert objective.targets == sum(sum(s.learnt) for s in sequences)
    assert (objective.exact, objective.asks) == (exact, 3)
    assert made.batch(sequences).tokens == sum(len(s.ids) for s in sequences)


def test_the_seed_makes_the_backbone() -> None:
    one, same, other = learner(0), learner(0), learner(1)
    weights, again = one.state_dict(), same.state_dict()
    assert all(torch.equal(weights[name], again[name]) for name in weights)
    assert any(not torch.equal(w, other.state_dict()[name]) for name, w in weights.items())
    other.load_state_dict(weights)
    assert all(torch.equal(w, other.state_dict()[name]) for name, w in weights.items())
    head, embedding = other.model.lm_head.weight, other.model.get_input_embeddings().weight
    assert head is embedding
    assert torch.equal(head, weights["model.embed_tokens.weight"])


def trained(folder: Path, on_step: Callable[[StepReport], None]) -> dict[str, torch.Tensor]:
    made = learner()
    checkpoints = Checkpoints(folder, key="k")
    train(made, curriculum(), RECIPE, checkpoints=checkpoints, on_step=on_step)
    return dict(made.state_dict())


def test_interrupted_and_resumed_is_the_same(tmp_path: Path) -> None:
    calm_losses: list[float] = []
    calm = trained(tmp_path / "calm", lambda report: calm_losses.append(report.loss))
    losses: list[float] = []

    def interrupt(report: StepReport) -> None:
        if report.step == 3:
            raise KeyboardInterrupt
        losses.append(report.loss)

    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "hit", interrupt)
    resumed = trained(tmp_path / "hit", lambda report: losses.append(report.loss))
    assert losses == calm_losses
    assert all(torch.equal(weight, resumed[name]) for name, weight in calm.items())
    assert any(
        not torch.equal(weight, calm[name]) for name, weight in learner().state_dict().items()
    )


def test_it_learns(tmp_path: Path) -> None:
    made, losses = learner(), []
    recipe = TrainingConfig(**{**vars(RECIPE), "steps": 40, "learning_rate": 3e-3})
    source = Curriculum(TOKENIZER, RecallDialogues(), steps=40, copy_steps=40, batch=3, seed=0)
    train(
        made,
        source,
        recipe,
        checkpoints=Checkpoints(tmp_path, key="k"),
        on_step=lambda report: losses.append(report.loss),
    )
    # it starts at the log of the vocabulary, and soon knows that few of the tokens occur
    assert losses[0] == pytest.approx(math.log(len(TOKENIZER)), abs=0.2)
    assert sum(losses[-5:]) / 5 < losses[0] - 1


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"layers": 0}, "backbone.layers is 0; it must be at least 1"),
        ({"width": 0}, "backbone.width is 0"),
        ({"head_dim": 0}, "backbone.head_dim is 0; it must be at least 2"),
        ({"head_dim": 33, "width": 66}, "it must be even and divide backbone.width, which is 66"),
        ({"width": 50}, "backbone.head_dim is 16; it must be even and divide backbone.width"),
        ({"window": 100}, "backbone.window is 100; it must be at least 384"),
        ({"rope_theta": 0.0}, "backbone.rope_theta is 0.0; it must be above 1"),
    ],
    ids=str,
)
def test_sizes_that_cannot_be(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidInput, match=re.escape(sentence)):
        BackboneConfig(**{**vars(SIZES), **changes})


def pretrain(*words: str) -> int:
    from deltamem_cli.app import app
    from deltamem_cli.exits import exit_with

    return exit_with(lambda: app(["pretrain", *words]))


@pytest.mark.usefixtures("in_folder")
def test_the_verb_makes_a_model_folder(capsys: pytest.CaptureFixture[str]) -> None:
    assert pretrain(*SMALL) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert "Writing" not in said.err
    (model,) = Path("runs").glob("*/model")
    card = (model / "README.md").read_text()
    assert f"| command | `deltamem pretrain {' '.join(SMALL)}` |" in card
    backbone = load_backbone(str(model), dtype="float32", device="cpu")
    assert backbone.window == 384
    assert backbone.tokenizer.get_vocab() == TOKENIZER.get_vocab()
    parameters = sum(p.numel() for p in backbone.model.parameters())
    assert f"| parameters | {parameters:,} |" in card
    capsys.readouterr()
    assert pretrain(*SMALL) == 0
    assert "is complete already" in capsys.readouterr().err


@pytest.mark.usefixtures("in_folder")
@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["nope=1"], "there is no setting 'nope'"),
        (["backbone.layer=1"], "there is no setting 'backbone.layer' (did you mean"),
        (["copy_steps=x"], "copy_steps is 'x'"),
        (["copy_steps=-1"], "copy_steps is -1; it must be at least 0"),
        (["training.steps=0"], "training.steps is 0; it must be at least 1"),
        (["backbone.head_dim=33"], "backbone.head_dim is 33; it must be even"),
        (["backbone.window=16"], "backbone.window is 16; it must be at least 384"),
    ],
    ids=str,
)
def test_bad_settings_are_one_sentence(
    words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert pretrain(*words) == 2
    said = capsys.readouterr()
    assert sentence in said.err
    assert (said.out, len(said.err.splitlines())) == ("", 1)
    assert not list(Path().iterdir())


def test_help_and_recipe(capsys: pytest.CaptureFixture[str]) -> None:
    assert pretrain("--help") == 0
    assert "Train the embedded backbone again from scratch" in capsys.readouterr().out
    assert pretrain("--cfg", "job") == 0
    assert "copy_steps: 900" in capsys.readouterr().out


def test_what_ships_is_small_and_made_by_the_recipe(tiny: Any) -> None:
    from deltamem_cli.settings.identity import config_hash
    from deltamem_cli.settings.instantiate import build
    from deltamem_cli.settings.job import run_config

    files = [path for path in tiny_folder().rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 8_000_000
    assert not [path.name for path in files if path.suffix in (".bin", ".pt", ".pkl", ".py")]
    card = (tiny_folder() / "README.md").read_text(encoding="utf-8")
    trees: list[Any] = []
    run_config("pretrain", lambda composed: trees.append(composed.tree), [])
    sizes = build(trees[0]["backbone"])
    assert f"| settings (hash) | {config_hash(trees[0])} |" in card
    assert f"| parameters | {sum(p.numel() for p in tiny.model.parameters()):,} |" in card
    expected = new_backbone(sizes, tiny.tokenizer).config.to_dict()
    shipped = tiny.model.config.to_dict()
    for name in ("hidden_size", "num_hidden_layers", "head_dim", "vocab_size", "rope_parameters"):
        assert shipped[name] == expected[name], name
    assert tiny.window == sizes.window
