"""Context2LoRA in both readings: static, and one adapter for each history."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch.nn.functional import cross_entropy
from trained_baselines import (
    EPISODES,
    GREEDY,
    NONSENSE,
    OTHER,
    QUESTIONS,
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

from deltamem.training import Ask, Episode
from deltamem.training.collate import IGNORED, encode_ask
from deltamem_base.faults import InvalidInput, Unavailable
from deltamem_baselines.context2lora.context2lora import Context2Lora, Context2LoraLearner
from deltamem_baselines.context2lora.per_context import Context2LoraPerContext
from deltamem_baselines.context2lora.synthesis import Examples, read_pairs
from deltamem_baselines.context2lora.write_time import WriteTimeTraining
from deltamem_baselines.frozen import Frozen
from deltamem_baselines.trained.supervised import supervise
from deltamem_evaluations.records.losses import loss_notes
from deltamem_evaluations.sample import History

CLOSE = 1e-4
"""The same sums in another order, float32, through four layers."""
CONTEXTS = ("visible", "none")


def learner_for(backbone: Any, seed: int = 0) -> Context2LoraLearner:
    return Context2LoraLearner(backbone, seed=seed, read_length=256)


@pytest.fixture(scope="module")
def folder(tiny: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights large enough that answers change."""
    learner = learner_for(tiny)
    scatter(learner.lora, seed=1, size=0.2)
    return learner.save(tmp_path_factory.mktemp("weights"), card={"steps": 0})


# --- what supervised fine-tuning sees -------------------------------------------------------


def test_rows_are_the_prompts_of_the_bare_backbone(tiny: Any) -> None:
    batch = supervise(tiny, EPISODES, read_length=256)
    assert [(r.episode, r.ask) for r in batch.rows] == [("a", 0), ("a", 1), ("b", 0), ("c", 0)]
    for row, (episode, wanted) in zip(
        batch.rows, [(e, a) for e in EPISODES for a in e.asks], strict=True
    ):
        prompt = [*episode.written, *wanted.visible]
        assert row.prompt == tiny.render(prompt, add_generation_prompt=True).ids
        assert tiny.tokenizer.decode(row.answer) == f"{wanted.answer}<|im_end|>"
    for i, row in enumerate(batch.rows):
        assert batch.ids[i][batch.mask[i]].tolist() == row.ids
        assert batch.labels[i][batch.labels[i] != IGNORED].tolist() == row.answer
    first, second = batch.rows[:2]
    assert first.shared == batch.rows[2].shared == 0
    assert second.prompt[: second.shared] == first.prompt[: second.shared]
    assert second.prompt[second.shared] != first.prompt[second.shared]
    assert second.shared >= len(tiny.render_history(TALK).ids)
    assert batch.targets == sum(len(r.answer) for r in batch.rows)


def test_messages_that_share_a_turn(tiny: Any) -> None:
    passages = tuple({"role": "user", "content": f"Today {n} is in Oslo."} for n in ("Ada", "Ben"))
    episode = Episode(id="j", written=passages, asks=(ask("Ada", "Oslo"),), join="\n\n")
    (row,) = supervise(tiny, [episode], read_length=256).rows
    question = {"role": "user", "content": QUESTIONS[0]}
    assert (
        row.prompt
        == tiny.render([*passages, question], join="\n\n", add_generation_prompt=True).ids
    )


def test_instructions_come_once_and_first(tiny: Any) -> None:
    system = {"role": "system", "content": "Be brief."}
    asked = Ask(visible=[system, *ask("Ada", "Oslo").visible], answer="Oslo.")
    episode = Episode(id="s", written=(system, *TALK), asks=(asked,))
    (row,) = supervise(tiny, [episode], read_length=256).rows
    question = {"role": "user", "content": QUESTIONS[0]}
    assert row.prompt == tiny.render([system, *TALK, question], add_generation_prompt=True).ids


def test_the_oldest_messages_go_first(tiny: Any) -> None:
    (whole,) = supervise(tiny, EPISODES[1:2], read_length=256).rows
    (cut,) = supervise(tiny, EPISODES[1:2], read_length=len(whole.ids) - 1).rows
    question = {"role": "user", "content": QUESTIONS[2]}
    assert cut.prompt == tiny.render([*OTHER[1:], question], add_generation_prompt=True).ids
    assert cut.answer == whole.answer
    with pytest.raises(InvalidInput, match=r"episode b: question and answer have \d+ tokens"):
        supervise(tiny, EPISODES[1:2], read_length=10)


# --- static ---------------------------------------------------------------------------------


def test_the_loss_by_hand(tiny: Any) -> None:
    """One ask at a time, without padding."""
    learner = learner_for(tiny)
    scatter(learner.lora, seed=1)
    objective = learner.loss(learner.batch(EPISODES))
    total, exact = 0.0, 0
    with torch.no_grad(), learner.lora.attach(tiny.model):
        for episode in EPISODES:
            for asked in episode.asks:
                visible = [*episode.written, *asked.visible]
                prompt, answer = encode_ask(tiny, Ask(visible=visible, answer=asked.answer))
                logits = tiny.model(torch.tensor([prompt + answer])).logits[0, len(prompt) - 1 : -1]
                total += float(cross_entropy(logits, torch.tensor(answer), reduction="sum"))
                exact += logits.argmax(-1).tolist() == answer
    assert float(objective.cross_entropy.detach()) == pytest.approx(total, rel=CLOSE)
    assert (objective.exact, objective.asks, objective.histories) == (exact, 4, 3)
    assert objective.targets == learner.batch(EPISODES).targets


def test_only_the_branches_are_trained(tiny: Any) -> None:
    learner, before = learner_for(tiny), sha(tiny.model)
    scatter(learner.lora, seed=1)
    learner.loss(learner.batch(EPISODES)).cross_entropy.backward()
    assert all(p.grad is not None and p.grad.any() for p in learner.parameters())
    assert all(p.grad is None for p in tiny.model.parameters())
    assert sha(tiny.model) == before


def test_training_learns_and_leaves_the_backbone(tiny: Any, tmp_path: Path) -> None:
    learner, before = learner_for(tiny), sha(tiny.model)
    reports = fit(learner, tmp_path / "run", NONSENSE, steps=40, learning_rate=1e-2)
    assert reports[0].em == 0
    assert reports[-1].em == 1
    assert reports[-1].loss < 0.1 * reports[0].loss
    assert sha(tiny.model) == before
    saved = learner.save(tmp_path / "weights", card={"steps": 40})
    method = written(Context2Lora(tiny, weights=str(saved)), TALK)
    assert texts(method)[:2] == ["Today Ada is in Lima.", "Today Ben is in Baku."]
    assert texts(written(Frozen(tiny), TALK))[:2] == [
        "Today Ada is in Oslo.",
        "Today Ben is in Rome.",
    ]


def test_a_resumed_run_ends_in_the_same_weights(tiny: Any, tmp_path: Path) -> None:
    whole, resumed = stopped_and_resumed(lambda seed: learner_for(tiny, seed), tmp_path)
    for name, weight in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], weight)


@pytest.mark.parametrize("context", CONTEXTS)
def test_new_branches_answer_as_the_backbone(tiny: Any, tmp_path: Path, context: str) -> None:
    saved = learner_for(tiny).save(tmp_path, card={})
    method = written(Context2Lora(tiny, context=context, weights=str(saved)), TALK, OTHER)
    bare = written(Frozen(tiny, context=context), TALK, OTHER)
    for history in (0, 1):
        assert texts(method, history) == texts(bare, history)


def test_the_history_is_read_with_the_branches_on(tiny: Any, folder: Path) -> None:
    """From the KV cache as from the whole prompt."""
    method = written(Context2Lora(tiny, weights=str(folder)), TALK)
    answers = texts(method)
    assert answers != texts(written(Frozen(tiny), TALK))
    with method.lora.attach(tiny.model):
        for question, text in zip(QUESTIONS, answers, strict=True):
            asked = [*TALK, {"role": "user", "content": question}]
            ids = tiny.render(asked, add_generation_prompt=True).ids
            out = tiny.model.generate(
                torch.tensor([ids]),
                max_new_tokens=10,
                do_sample=False,
                eos_token_id=list(tiny.stop_ids),
            )
            assert tiny.decode(out[0, len(ids) :].tolist()) == text


@pytest.mark.parametrize("context", CONTEXTS)
def test_static_state_and_reset(tiny: Any, folder: Path, context: str) -> None:
    def make() -> Context2Lora:
        return Context2Lora(tiny, context=context, weights=str(folder))

    method, other = written(make(), TALK, OTHER), make()
    other.load_state_dict(method.state_dict())
    assert [texts(other, h) for h in (0, 1)] == [texts(method, h) for h in (0, 1)]
    method.reset()
    assert texts(method) == texts(make())


def test_what_the_static_row_says_of_itself(tiny: Any, folder: Path) -> None:
    said = Context2Lora(tiny, weights=str(folder)).describe().deciding
    assert json.loads(json.dumps(said)) == said
    assert said["trained_parameters"] == 4 * 4 * 8 * (128 + 128)
    assert (said["state_bytes"], said["rank"], said["alpha"]) == (0, 8, 16.0)
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert said["weights_sha"] in card
    assert tiny.fingerprint in card
    assert not list(folder.glob("*.pt"))


def test_weights_that_are_not_there_or_not_ours(tiny: Any, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"`deltamem train method=context2lora`.*adapter=FOLDER"):
        Context2Lora(tiny)
    with pytest.raises(Unavailable, match=r"no baseline\.json in .*deltamem train"):
        Context2Lora(tiny, weights=str(tmp_path))
    with pytest.raises(InvalidInput, match=r"was trained on tiny .*the backbone is another"):
        Context2Lora(replace(tiny, name="another", fingerprint="f" * 64), weights=str(folder))

    def damaged(change: Any, *, bytes_too: bool = False) -> str:
        target = tmp_path / str(len(list(tmp_path.iterdir())))
        target.mkdir()
        content = json.loads((folder / "baseline.json").read_text(encoding="utf-8"))
        change(content)
        (target / "baseline.json").write_text(json.dumps(content), encoding="utf-8")
        weights = (folder / "baseline.safetensors").read_bytes()
        (target / "baseline.safetensors").write_bytes(weights[:200] if bytes_too else weights)
        return str(target)

    for change, cut, sentence in (
        (lambda c: c.update(method="memgen"), False, "holds weights of method=memgen"),
        (
            lambda c: c["settings"].update(rank=4),
            False,
            r"k_proj\.a is \(8, 128\), this backbone needs",
        ),
        (lambda c: c["settings"].update(targets=["q_proj"]), False, "beyond what its settings use"),
        (lambda c: c["settings"].update(targets=["q_proj", "up_proj"]), False, "lacks 8 tensors"),
        (lambda c: None, True, "is damaged or holds something else"),
        (lambda c: c["settings"].update(depth=2), False, "unexpected keyword argument 'depth'"),
        (lambda c: c.pop("backbone"), False, "is damaged or holds something else"),
    ):
        with pytest.raises(InvalidInput, match=sentence):
            Context2Lora(tiny, weights=damaged(change, bytes_too=cut))
    for value in (float("nan"), float("inf")):
        target = Path(damaged(lambda c: None))
        tensors = load_file(target / "baseline.safetensors")
        next(iter(tensors.values()))[0, 0] = value
        save_file(tensors, target / "baseline.safetensors")
        with pytest.raises(InvalidInput, match="weights that are not finite: their training"):
            Context2Lora(tiny, weights=str(target))


# --- one adapter for each history -----------------------------------------------------------


class Facts:
    """Rows straight from the statements: what a good synthesiser would write."""

    def __init__(self) -> None:
        self.calls = 0

    def rows(self, backbone: Any, messages: Sequence[Any], *, seed: int) -> list[list[int]]:
        self.calls += 1
        assert not any("?" in m["content"] for m in messages), "a question reached the write"
        stated = [re.fullmatch(r"Today (\w+) is in (\w+)\.", m["content"]) for m in messages]
        encoded = [encode_ask(backbone, ask(*found.groups())) for found in stated if found]
        return [prompt + answer for prompt, answer in encoded]

    def describe(self) -> dict[str, Any]:
        return {"form": "facts"}


FAST = WriteTimeTraining(steps=40, learning_rate=1e-2, dropout=0.0)


def per_context(backbone: Any, **changes: Any) -> Context2LoraPerContext:
    settings = {"examples": Facts(), "training": FAST, "rank": 8, "alpha": 16.0}
    return Context2LoraPerContext(backbone, **{**settings, **changes})


@pytest.fixture(scope="module")
def remembered(tiny: Any) -> Context2LoraPerContext:
    """Two histories, each in an adapter of its own."""
    return written(per_context(tiny), TALK, OTHER)


def test_each_history_answers_closed_book(tiny: Any, remembered: Any) -> None:
    assert texts(remembered, 0)[:2] == ["Today Ada is in Oslo.", "Today Ben is in Rome."]
    assert texts(remembered, 1)[2] == "Today Hugo is in Kiel."
    assert "Kiel" not in texts(remembered, 0)[2]
    assert "Oslo" not in texts(remembered, 1)[0]
    mixed = [prompts(1)[2], prompts(0)[0], prompts(1)[2], prompts(0)[1]]
    assert [a.text.split()[-1] for a in remembered.answer(mixed, GREEDY)] == [
        "Kiel.",
        "Oslo.",
        "Kiel.",
        "Rome.",
    ]
    bare = tiny.render([{"role": "user", "content": QUESTIONS[0]}], add_generation_prompt=True)
    assert remembered.answer(prompts(0)[:1], GREEDY)[0].prompt_tokens == len(bare.ids)


def test_the_same_history_gives_the_same_bits(tiny: Any, remembered: Any) -> None:
    before = sha(tiny.model)
    again = written(per_context(tiny), OTHER, TALK)
    for mine, theirs in ((0, 1), (1, 0)):
        wanted = remembered.state_dict()["adapters"][theirs]
        got = again.state_dict()["adapters"][mine]
        assert all(torch.equal(got[name], w) for name, w in wanted.items())
    assert sha(tiny.model) == before
    other = written(per_context(tiny, seed=1), TALK).state_dict()["adapters"][0]
    assert any(not torch.equal(other[n], w) for n, w in wanted.items())


def test_a_history_that_comes_again_is_not_trained_again(tiny: Any) -> None:
    method = per_context(tiny, training=replace(FAST, steps=2))
    written(method, TALK, OTHER, TALK)
    assert method.examples.calls == 2
    written(method, OTHER)
    assert method.examples.calls == 2
    written(method, OTHER[::-1])
    assert method.examples.calls == 3


def test_two_pieces_equal_one_history(tiny: Any) -> None:
    quick = replace(FAST, steps=3)
    once, twice = (per_context(tiny, training=quick) for _ in range(2))
    written(once, OTHER)
    twice.write([History(messages=OTHER[:1])])
    twice.write([History(messages=OTHER[1:])])
    (wanted,), (got,) = once.state_dict()["adapters"], twice.state_dict()["adapters"]
    assert all(torch.equal(got[name], w) for name, w in wanted.items())


def test_reset_and_an_empty_history_are_the_bare_backbone(tiny: Any, remembered: Any) -> None:
    bare = written(Frozen(tiny, context="none"), TALK)
    method = per_context(tiny)
    method.load_state_dict(remembered.state_dict())
    assert texts(method, 1) == texts(remembered, 1)
    method.reset()
    assert texts(method) == texts(bare)
    (report,) = method.write([History(messages=TALK[:0])])
    assert (report.rows, report.written_tokens, report.shown_tokens) == (0, 0, 0)
    assert texts(method) == texts(bare)


def test_what_is_beyond_the_longest_row_is_counted(tiny: Any) -> None:
    method = per_context(tiny, training=replace(FAST, steps=1, max_length=10))
    (report,) = method.write([History(messages=TALK)])
    assert report.cut_tokens == report.written_tokens - 10 * report.rows > 0
    line = SimpleNamespace(
        cut_side=report.cut_side, cut_tokens=report.cut_tokens, dropped_units=None
    )
    assert list(loss_notes([line])) == [
        "text was too long to be learnt whole for 1 of 1 samples: of those, on average "
        f"{report.cut_tokens} tokens were cut"
    ]


def test_the_history_can_stay_in_view_too(tiny: Any) -> None:
    method = written(per_context(tiny, context="visible", training=replace(FAST, steps=2)), TALK)
    (report,) = method.write([History(messages=())])
    assert report.shown_tokens == len(tiny.render_history(TALK).ids)
    twin = per_context(tiny, context="visible")
    twin.load_state_dict(method.state_dict())
    assert texts(twin) == texts(method)
    zeroed = {n: torch.zeros_like(w) for n, w in method.state_dict()["adapters"][0].items()}
    twin.load_state_dict({**method.state_dict(), "adapters": [zeroed]})
    assert texts(twin) == texts(written(Frozen(tiny), TALK))


def test_what_an_adapter_per_history_says_of_itself(tiny: Any) -> None:
    method = per_context(tiny)
    said = method.describe().deciding
    assert json.loads(json.dumps(said)) == said
    assert said["state_bytes"] == 4 * said["trained_parameters"]
    assert said["examples"] == {"form": "facts"}
    assert said != per_context(tiny, training=replace(FAST, steps=41)).describe().deciding
    with pytest.raises(InvalidInput, match="context is 'part'"):
        per_context(tiny, context="part")


def test_large_batches_are_accumulated(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """However a batch is split, its gradient is that of the whole."""
    from deltamem_baselines.context2lora import write_time

    losses = []
    for at_once in (1, 40, 10_000):
        monkeypatch.setattr(write_time, "TOKENS_AT_ONCE", at_once)
        method = per_context(tiny, training=replace(FAST, steps=3))
        (report,) = method.write([History(messages=OTHER)])
        losses.append(report.loss)
    assert losses[0] == pytest.approx(losses[2], rel=1e-3)
    assert losses[1] == pytest.approx(losses[2], rel=1e-3)


def test_padding_never_hides_an_end_of_turn(tiny: Any) -> None:
    """Masked by position: the row is learnt alike where padding has the id of the end."""
    from deltamem_baselines.context2lora.write_time import _accumulate
    from deltamem_baselines.trained.lora import Lora

    rows = Facts().rows(tiny, OTHER, seed=0)
    rows[0] = rows[0][:5]  # of another length, so that there is padding
    end = SimpleNamespace(model=tiny.model, device=tiny.device, pad_id=min(tiny.stop_ids))
    lora = scatter(Lora(tiny.model, rank=2, alpha=2.0, targets=["q_proj"]), seed=0)
    with lora.attach(tiny.model):
        assert _accumulate(end, rows) == pytest.approx(_accumulate(tiny, rows), rel=CLOSE)
        one_by_one = sum(_accumulate(tiny, [r]) * (len(r) - 1) for r in rows)
        assert _accumulate(tiny, rows) * sum(len(r) - 1 for r in rows) == pytest.approx(
            one_by_one, rel=CLOSE
        )


# --- where the rows come from ---------------------------------------------------------------


def test_text_is_cut_into_chunks_that_overlap(tiny: Any) -> None:
    ids = tiny.render_history(OTHER).ids
    rows = Examples(form="text", chunk_tokens=16, overlap=4).rows(tiny, OTHER, seed=0)
    assert len(rows) > 2
    assert all(len(row) <= 16 for row in rows)
    for before, after in pairwise(rows):
        assert before[-4:] == after[:4]
    assert rows[0] + [token for row in rows[1:] for token in row[4:]] == ids
    system = {"role": "system", "content": "Be brief."}
    assert Examples(form="text").rows(tiny, (system, *OTHER), seed=0) == [ids]
    assert Examples(form="text").rows(tiny, (system,), seed=0) == []


class Scripted(torch.nn.Module):
    """A language model that says a prepared reply to the n-th request of a conversation."""

    def __init__(self, backbone: Any, replies: Sequence[str]) -> None:
        super().__init__()
        self.config, self.generation_config = (
            backbone.model.config,
            backbone.model.generation_config,
        )
        self.get_input_embeddings = backbone.model.get_input_embeddings
        self.tokenizer, self.prompts = backbone.tokenizer, []
        end = backbone.tokenizer.eos_token_id
        self.replies = [backbone.tokenizer(r)["input_ids"] + [end] for r in replies]

    def forward(self, input_ids: Any, attention_mask: Any, **kwargs: Any) -> Any:
        if input_ids.shape[1] > 1:
            texts = [
                self.tokenizer.decode(row[mask.bool()])
                for row, mask in zip(input_ids, attention_mask, strict=True)
            ]
            self.prompts += texts
            self.saying = [list(self.replies[t.count("assistant\n") - 1]) for t in texts]
        logits = torch.zeros(len(input_ids), 1, self.config.vocab_size)
        for i, words in enumerate(self.saying):
            logits[i, 0, words.pop(0) if words else 2] = 1e4
        return SimpleNamespace(logits=logits)


def test_questions_are_written_chunk_by_chunk(tiny: Any) -> None:
    replies = (
        "Ada is in Oslo.",
        "Q: Where is Ada today?\nA: Today Ada is in Oslo.\nQ: no answer",
        "Q: Where is Ben today?\nA: Today Ben is in Rome.",
        "I read a book.",
    )
    model = Scripted(tiny, replies)
    backbone = replace(tiny, model=model)
    examples = Examples(chunk_tokens=8, overlap=2, pairs=7, max_new_tokens=40)
    rows = examples.rows(backbone, TALK, seed=0)
    assert [tiny.tokenizer.decode(row) for row in rows] == [  # each pair once
        f"<|im_start|>user\nWhere is {n} today?<|im_end|>\n<|im_start|>assistant\n"
        f"Today {n} is in {p}.<|im_end|>"
        for n, p in (("Ada", "Oslo"), ("Ben", "Rome"))
    ]
    chunks = len(model.prompts) // 4
    assert chunks > 1
    assert len(model.prompts) == 4 * chunks
    assert all("write 7 questions" in p for p in model.prompts[chunks:])
    assert model.prompts[-1].startswith(model.prompts[-1 - chunks])
    silent = replace(tiny, model=Scripted(tiny, ["Tell me more."] * 4))
    with pytest.raises(InvalidInput, match=r"wrote no question .*method\.examples\.form=text"):
        examples.rows(silent, TALK, seed=0)


def test_settings_of_examples_that_make_no_sense(tiny: Any) -> None:
    with pytest.raises(InvalidInput, match=r"method\.examples\.form is 'summary'; choose one of"):
        Examples(form="summary")
    with pytest.raises(InvalidInput, match=r"method\.examples\.overlap is 9"):
        Examples(chunk_tokens=9, overlap=9)
    with pytest.raises(InvalidInput, match=r"tiny attends to 2048: lower"):
        Examples().rows(tiny, TALK, seed=0)
    assert "pairs" not in Examples(form="text").describe()


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("Q: a b?\nA: c.", [("a b?", "c.")]),
        ("1. **Q1:** a?\n   **A1:** -5 degrees\n\n2) **Question**: b?\n- Answer: B*", None),
        ("Q: a?\nQ: b?\nA: c\nA: d", [("b?", "c")]),
        ("A: c\nQ: a?", []),
        ("Quito is far.\nAll is well.", []),
        ("Q: a?\n\nA: yes: no", [("a?", "yes: no")]),
    ],
)
def test_pairs_are_read_from_what_models_write(text: str, pairs: Any) -> None:
    wanted = [("a?", "-5 degrees"), ("b?", "B")] if pairs is None else pairs
    assert read_pairs(text) == wanted


@given(st.text())
def test_reading_pairs_never_fails(text: str) -> None:
    assert all(question and answer for question, answer in read_pairs(text))
