"""MLP Memory: the student, its teacher, the loss between them, and the mixture."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from random_models import FAMILIES, qwen3_4b
from trained_baselines import (
    EPISODES,
    GREEDY,
    OTHER,
    TALK,
    ask,
    fit,
    prompts,
    scatter,
    sha,
    stopped_and_resumed,
    texts,
    written,
)

from deltamem.backbone import MemoryCache
from deltamem.training import Episode
from deltamem.training.collate import IGNORED
from deltamem_base.faults import InvalidInput, Unavailable
from deltamem_baselines.frozen import Frozen
from deltamem_baselines.mlp_memory import training as mlp_memory_training
from deltamem_baselines.mlp_memory.mlp_memory import MLPMemory
from deltamem_baselines.mlp_memory.student import Student
from deltamem_baselines.mlp_memory.training import MLPMemoryLearner
from deltamem_baselines.next_token.hidden_states import mlp_inputs

CLOSE = 1e-4
"""The same sums in another order, float32, through four layers and four blocks."""
CONTEXTS = ("visible", "none")


def learner_for(backbone: Any, seed: int = 0, **changes: Any) -> MLPMemoryLearner:
    learner = MLPMemoryLearner(backbone, seed=seed, read_length=256, depth=2, **changes)
    learner.prepare(EPISODES)
    return learner


@pytest.fixture(scope="module")
def folder(tiny: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A student that has an opinion of its own."""
    learner = learner_for(tiny)
    scatter(learner.student, seed=1, size=0.1)
    return learner.save(tmp_path_factory.mktemp("weights"), card={"steps": 0})


# --- the student ----------------------------------------------------------------------------


@pytest.mark.parametrize(("depth", "parameters"), [(36, 3_078_648_320), (8, 986_667_520)])
def test_parameters_on_qwen3_4b(depth: int, parameters: int) -> None:
    """The counts of the paper's row, and of the depth that the method's authors use."""
    assert Student(qwen3_4b(), depth=depth).parameter_count == parameters


@pytest.mark.parametrize("family", FAMILIES)
def test_students_of_all_families(family: str, make_model: Callable[..., Any]) -> None:
    model = make_model(family)
    before = sha(model)
    one, two = (Student(model, depth=3).initialise(model, start="scratch", seed=0) for _ in "ab")
    assert sha(one) == sha(two)
    assert one(torch.randn(5, 32)).shape == (5, 96)
    unit = torch.randn(7, 32)
    unit = unit / unit.square().mean(1, keepdim=True).sqrt()
    torch.testing.assert_close(one.norm(unit), unit, rtol=1e-4, atol=1e-4)  # norms start neutral
    assert all(p.requires_grad and p.dtype == torch.float32 for p in one.parameters())
    assert not {p.data_ptr() for p in one.parameters()} & {p.data_ptr() for p in model.parameters()}
    copied = Student(model, depth=2).initialise(model, start="copy", seed=0)
    last = model.get_decoder().layers[-1]
    assert torch.equal(copied.blocks[1].mlp.down_proj.weight, last.mlp.down_proj.weight)
    assert torch.equal(copied.head.weight, model.get_output_embeddings().weight)
    assert sha(model) == before


def test_the_student_by_hand(tiny: Any) -> None:
    student = Student(tiny.model, depth=2).initialise(tiny.model, start="scratch", seed=0)
    scatter(student, seed=1)
    x = hidden = torch.randn(3, 128)

    def norm(module: Any, y: Any) -> Any:
        return module.weight * y / (y.square().mean(1, keepdim=True) + 1e-6).sqrt()

    for block in student.blocks:
        y, mlp = norm(block.norm, x), block.mlp
        gated = torch.nn.functional.silu(y @ mlp.gate_proj.weight.T) * (y @ mlp.up_proj.weight.T)
        x = x + gated @ mlp.down_proj.weight.T
    wanted = norm(student.norm, x) @ student.head.weight.T
    torch.testing.assert_close(student(hidden), wanted, rtol=CLOSE, atol=CLOSE)


# --- the teacher ----------------------------------------------------------------------------


def test_every_position_is_learnt_once(tiny: Any) -> None:
    learner = learner_for(tiny)
    batch = learner.batch(EPISODES)
    first, second, third, _ = batch.rows.rows
    counts = batch.learnt.sum(1).tolist()
    assert counts[0] == len(first.ids) - 1
    assert counts[1] == len(second.ids) - second.shared
    assert counts[2] == len(third.ids) - 1
    assert not (batch.learnt & ~batch.rows.mask).any()
    assert batch.targets == sum(counts)
    # answers are learnt in every row
    answers = (batch.rows.labels != IGNORED).roll(-1, dims=1)
    assert not (answers & ~batch.learnt).any()


def test_stored_positions_are_found_by_their_index(tiny: Any) -> None:
    """However episodes are batched later, a position knows which stored key is its own."""
    learner = learner_for(tiny)
    teacher = learner.teacher
    assert len(teacher.data) == learner.batch(EPISODES).targets
    for episodes in (EPISODES[::-1], EPISODES[1:2], EPISODES[:1]):
        batch = learner.batch(episodes)
        with torch.no_grad():
            seen = learner._hidden(batch)[-1]
        own = teacher.own(batch)
        torch.testing.assert_close(teacher.data.keys[own], seen, rtol=1e-3, atol=1e-3)
        tokens = batch.rows.ids.roll(-1, dims=1)[batch.learnt]
        assert torch.equal(teacher.data.values[own], tokens)
    unknown = Episode(id="z", written=OTHER, asks=(ask("Hugo", "Kiel"),))
    assert set(teacher.own(learner.batch([unknown])).tolist()) == {-1}


def test_there_is_room_for_so_many_positions(tiny: Any) -> None:
    learner = MLPMemoryLearner(tiny, seed=0, read_length=256, depth=1, positions=1)
    learner.prepare([replace(EPISODES[i % 3], id=str(i)) for i in range(20)])
    episodes = {episode for episode, _ in learner.teacher.starts}
    assert episodes == {str(i) for i in range(8)}  # one batch, then it is full
    assert learner.teacher.count == len(learner.teacher.data) // 4


# --- the loss -------------------------------------------------------------------------------


@pytest.mark.parametrize("divergence", [0.0, 0.4, 1.0])
def test_the_loss_by_hand(tiny: Any, divergence: float) -> None:
    learner = learner_for(tiny, divergence=divergence, temperature=3.0)
    batch = learner.batch(EPISODES)
    data, total = learner.teacher.data, 0.0
    with torch.no_grad():
        hidden = learner._hidden(batch)[-1]
        own = learner.teacher.own(batch)
        said = learner.student(hidden).log_softmax(-1).double()
        for x, index, row in zip(hidden, own.tolist(), said, strict=True):
            distances = (data.keys - x).double().square().sum(1)
            distances[index] = torch.inf
            nearest = distances.argsort()[: learner.teacher.count]
            weights = (-distances[nearest] / 3.0).softmax(0)
            taught = torch.zeros(len(row), dtype=torch.float64)
            taught.scatter_add_(0, data.values[nearest], weights)
            known = taught > 0
            kl = (taught[known] * (taught[known].log() - row[known])).sum()
            total += float(divergence * kl - (1 - divergence) * row[data.values[index]])
    objective = learner.loss(batch)
    assert float(objective.cross_entropy.detach()) == pytest.approx(total, rel=1e-3)
    assert objective.targets == batch.targets == len(hidden)
    assert (objective.asks, objective.histories) == (4, 3)


def test_only_the_student_is_trained(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what is recomputed in parts has the same gradients."""
    before, gradients = sha(tiny.model), []
    for at_once in (10_000, 7):
        monkeypatch.setattr(mlp_memory_training, "POSITIONS_AT_ONCE", at_once)
        learner = learner_for(tiny)
        learner.loss(learner.batch(EPISODES)).cross_entropy.backward()
        assert all(p.grad is not None and p.grad.any() for p in learner.parameters())
        gradients.append([p.grad for p in learner.parameters()])
    for one, two in zip(*gradients, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-3, atol=1e-3)
    assert all(p.grad is None for p in tiny.model.parameters())
    assert sha(tiny.model) == before


def test_the_student_becomes_its_teacher(tiny: Any, tmp_path: Path) -> None:
    """Pure divergence, on a corpus that it can learn by heart."""
    learner, before = learner_for(tiny, divergence=1.0), sha(tiny.model)
    corpus = EPISODES[1:]
    reports = fit(learner, tmp_path / "a", corpus, steps=80, learning_rate=1e-2)
    assert reports[0].loss > 4
    assert reports[-1].loss < 0.1
    assert sha(tiny.model) == before


def test_answers_are_learnt(tiny: Any, tmp_path: Path) -> None:
    learner = learner_for(tiny, divergence=0.0)
    reports = fit(learner, tmp_path, EPISODES[1:], steps=60, learning_rate=1e-2)
    assert reports[0].em == 0
    assert reports[-1].em == 1


def test_a_resumed_run_ends_in_the_same_weights(tiny: Any, tmp_path: Path) -> None:
    whole, resumed = stopped_and_resumed(lambda seed: learner_for(tiny, seed), tmp_path)
    for name, weight in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], weight)


# --- the method -----------------------------------------------------------------------------


@pytest.mark.parametrize("context", CONTEXTS)
def test_a_share_of_nothing_is_the_bare_backbone(tiny: Any, folder: Path, context: str) -> None:
    method = MLPMemory(tiny, context=context, weights=str(folder), interpolation=0.0)
    bare = written(Frozen(tiny, context=context), TALK, OTHER)
    written(method, TALK, OTHER)
    assert [texts(method, h) for h in (0, 1)] == [texts(bare, h) for h in (0, 1)]


@torch.no_grad()
@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_cached_steps_are_the_mixture_from_scratch(tiny: Any, folder: Path, share: float) -> None:
    """Left-padded and cached against whole and alone; 0 is the backbone's bits, 1 the student."""
    method = MLPMemory(tiny, weights=str(folder), interpolation=share)
    ids = torch.tensor([tiny.render_history(OTHER).ids])
    cache = MemoryCache(config=tiny.model.config)
    padded = torch.cat([torch.zeros(1, 3, dtype=torch.long), ids], dim=1)
    mask = torch.cat([torch.zeros(1, 3), torch.ones(1, ids.shape[1])], dim=1).bool()
    for start, end in ((0, 10), (10, 11), (11, 12), (12, 20)):
        columns = slice(start + 3 if start else 0, end + 3)
        positions = (mask[:, : end + 3].long().cumsum(1) - 1).clamp_min(0)[:, columns]
        got = method._step(padded[:, columns], mask[:, : end + 3], positions, cache, [0])
        with mlp_inputs(tiny.model, [-1]) as seen:
            logits = tiny.model(ids[:, :end]).logits[:, -1]
        student = method.student(seen[-1][:, -1]).softmax(-1)
        wanted = share * student + (1 - share) * logits.softmax(-1)
        torch.testing.assert_close(got.softmax(-1), wanted, rtol=1e-3, atol=CLOSE)
        torch.testing.assert_close(got.softmax(-1).sum(), torch.tensor(1.0), rtol=CLOSE, atol=CLOSE)
    if share == 0:
        fresh = MemoryCache(config=tiny.model.config)
        whole = torch.ones_like(ids, dtype=torch.bool)
        positions = torch.arange(ids.shape[1])[None]
        bare = tiny.model(ids, attention_mask=whole.long(), logits_to_keep=1).logits[:, -1]
        assert torch.equal(method._step(ids, whole, positions, fresh, [0]), bare)


@pytest.mark.parametrize("context", CONTEXTS)
def test_batches_round_trips_and_reset(tiny: Any, folder: Path, context: str) -> None:
    def make() -> MLPMemory:
        return MLPMemory(tiny, context=context, weights=str(folder), interpolation=0.6)

    method, other = written(make(), TALK, OTHER), make()
    asked = [*prompts(0), *prompts(1)]
    together = [a.text for a in method.answer(asked, GREEDY)]
    assert together == [method.answer([p], GREEDY)[0].text for p in asked]
    assert together[:3] != texts(written(Frozen(tiny, context=context), TALK))
    other.load_state_dict(method.state_dict())
    assert [a.text for a in other.answer(asked, GREEDY)] == together
    method.reset()
    assert texts(method) == texts(make())


def test_the_input_may_come_from_another_layer(tiny: Any, tmp_path: Path) -> None:
    learner = learner_for(tiny, layer=1)
    batch = learner.batch(EPISODES[:1])
    with torch.no_grad(), mlp_inputs(tiny.model, [1]) as seen:
        tiny.model(batch.rows.ids, attention_mask=batch.rows.mask.long())
        assert torch.equal(learner._hidden(batch)[1], seen[1][batch.learnt])
    saved = learner.save(tmp_path, card={})
    assert MLPMemory(tiny, weights=str(saved)).student.layer == 1


def test_what_it_says_of_itself_and_refuses(tiny: Any, folder: Path, tmp_path: Path) -> None:
    said = MLPMemory(tiny, weights=str(folder)).describe().deciding
    assert json.loads(json.dumps(said)) == said
    assert said["trained_parameters"] == 2 * (3 * 128 * 256 + 128) + 128 + 940 * 128
    assert said != MLPMemory(tiny, weights=str(folder), interpolation=0.5).describe().deciding
    assert "| temperature | " in (folder / "README.md").read_text(encoding="utf-8")
    with pytest.raises(Unavailable, match="`deltamem train method=mlp_memory`"):
        MLPMemory(tiny, weights=str(tmp_path))
    with pytest.raises(InvalidInput, match=r"method\.interpolation is -1"):
        MLPMemory(tiny, weights=str(folder), interpolation=-1.0)
    with pytest.raises(InvalidInput, match=r"call prepare\(episodes\) first"):
        unprepared = MLPMemoryLearner(tiny, seed=0, read_length=256, depth=1)
        unprepared.loss(unprepared.batch(EPISODES))
    for changes, sentence in (
        ({"layer": 9}, "there is no layer 9; choose from -4 to 3"),
        ({"start": "zero"}, "method.learner.start is 'zero'; choose one of scratch, copy"),
        ({"divergence": 2.0}, r"method\.learner\.divergence is 2\.0"),
        ({"neighbours": 0}, "neighbours is 0"),
        ({"depth": 0}, "depth is 0"),
    ):
        with pytest.raises(InvalidInput, match=sentence):
            MLPMemoryLearner(tiny, seed=0, read_length=256, **changes)
    assert MLPMemoryLearner(tiny, seed=0, read_length=256).settings["depth"] == 4
