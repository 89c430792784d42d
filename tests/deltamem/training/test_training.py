"""The recipe: what the loss sees, and that a run can die and be resumed to the same weights."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from chat_templates import CHATML
from torch.nn.functional import cross_entropy

from deltamem import DeltaMemConfig, DeltaMemory, Fault, InvalidInput
from deltamem.training import (
    Ask,
    Checkpoints,
    DeltaMemLearner,
    Episode,
    StepReport,
    TrainingConfig,
    train,
)
from deltamem.training.collate import IGNORED, collate, encode, encode_ask
from deltamem.training.recipe import learning_rate
from deltamem.writers import SegmentWriter, TokenWriter

SAME = 1e-5
"""Gradients summed in another order, float32."""

PLACES = ("Oslo", "Rome", "Bern", "Kiel", "Lima", "Riga")
NAMES = ("Ada", "Ben", "Eva", "Hugo", "Ida", "Kai")


def episode(number: int) -> Episode:
    first, second = NAMES[number % 6], NAMES[(number + 1) % 6]
    here, there = PLACES[number % 6], PLACES[(number + 2) % 6]
    written = [
        {"role": "user", "content": f"Today {first} is in {here}."},
        {"role": "assistant", "content": f"Today {second} is in {there}."},
    ][: 1 + number % 2]
    asks = [
        Ask(
            visible=[{"role": "user", "content": f"Where is {first} today?"}],
            answer=f"Today {first} is in {here}.",
        )
    ]
    if number % 2:
        asks.append(
            Ask(
                visible=[{"role": "user", "content": f"Where is {second} today?"}],
                answer=f"Today {second} is in {there}.",
            )
        )
    return Episode(id=f"e{number}", written=written, asks=tuple(asks))


EPISODES = [episode(i) for i in range(10)]


def learner_for(
    backbone: Any, writer: Any = None, seed: int = 0, kind: type[DeltaMemLearner] = DeltaMemLearner
) -> DeltaMemLearner:
    config = DeltaMemConfig(writer=writer or TokenWriter(), rank=4)
    memory = DeltaMemory(config, backbone.model).initialise(backbone.model, seed=seed)
    return kind(backbone, memory, write_length=512, read_length=128, gate_target=0.05)


def config(**changes: Any) -> TrainingConfig:
    settings = {
        "steps": 6,
        "batch_size": 4,
        "micro_batch_size": 4,
        "learning_rate": 1e-2,
        "checkpoint_every": 2,
        "evaluate_every": 3,
        "seed": 1,
    }
    return TrainingConfig(**{**settings, **changes})


def weights(learner: DeltaMemLearner) -> dict[str, torch.Tensor]:
    return {name: w.clone() for name, w in learner.state_dict().items()}


def test_a_batch_holds_what_the_paper_says(tiny: Any) -> None:
    batch = collate(tiny, EPISODES[:2], segment_unit="message", write_length=512, read_length=128)
    assert batch.history.tolist() == [0, 1, 1]
    for row, number in enumerate((0, 1)):
        written = tiny.tokenizer.decode(batch.write_ids[row][batch.write_mask[row]])
        assert written == "".join(
            f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in EPISODES[number].written
        )
        assert batch.segments is not None
        ids = set(batch.segments[row].tolist())
        assert ids - {-1} == set(range(len(EPISODES[number].written)))
    read = tiny.tokenizer.decode(batch.read_ids[2][batch.read_mask[2]])
    assert read == (
        "<|im_start|>user\nWhere is Eva today?<|im_end|>\n<|im_start|>assistant\n"
        "Today Eva is in Kiel.<|im_end|>"
    )
    learnt = batch.labels[2][batch.labels[2] != IGNORED]
    assert tiny.tokenizer.decode(learnt) == "Today Eva is in Kiel.<|im_end|>"
    assert batch.targets == int((batch.labels != IGNORED).sum())


def test_the_tail_of_a_long_history_is_kept(tiny: Any) -> None:
    batch = collate(tiny, EPISODES[1:2], segment_unit=None, write_length=5, read_length=128)
    assert tiny.tokenizer.decode(batch.write_ids[0]).endswith("<|im_end|>\n")
    assert batch.write_ids.shape == (1, 5)
    with pytest.raises(
        InvalidInput, match="episode e1: question and answer have .* training.read_length is 9"
    ):
        collate(tiny, EPISODES[1:2], segment_unit=None, write_length=5, read_length=9)


def test_answers_end_the_turn(tiny: Any) -> None:
    prompt, answer = encode_ask(tiny, EPISODES[0].asks[0])
    assert answer[-1] in tiny.stop_ids
    assert tiny.tokenizer.decode(prompt).endswith("assistant\n")


def test_an_answer_that_the_template_shows_otherwise_is_learnt_as_it_is(tiny: Any) -> None:
    tokenizer = copy.deepcopy(tiny.tokenizer)
    tokenizer.chat_template = CHATML.replace(
        "m['content']", "m['content'].split('</think>')[-1] | trim"
    )
    thinking = replace(tiny, tokenizer=tokenizer)
    ask = Ask(visible=[{"role": "user", "content": "Who?"}], answer="<think>Hm.</think>\n\nAda.")
    prompt, answer = encode_ask(thinking, ask)
    assert prompt == encode_ask(tiny, ask)[0]
    assert tokenizer.decode(answer) == "<think>Hm.</think>\n\nAda.<|im_end|>"
    written = [{"role": "user", "content": "A"}, {"role": "assistant", "content": ask.answer}]
    with pytest.raises(InvalidInput, match="episode e7: the chat template does not show message 1"):
        encode(
            thinking,
            Episode(id="e7", written=written, asks=(ask,)),
            segment_unit=None,
            write_length=9,
        )


@pytest.mark.parametrize("writer", [TokenWriter(), SegmentWriter()], ids=["tsw", "ssw"])
def test_the_loss_by_hand(writer: Any, tiny: Any) -> None:
    """Write alone, one episode at a time; read with that state; sum over answer tokens."""
    learner = learner_for(tiny, writer)
    objective = learner.loss(learner.batch(EPISODES[:3]))
    total, exact, sparsity = 0.0, 0, 0.0
    with learner.memory.attach(tiny.model) as attached, torch.no_grad():
        for item in EPISODES[:3]:
            rendered = tiny.render_history(item.written)
            _, state = attached.forward(
                torch.tensor([rendered.ids]), segments=torch.tensor([rendered.message_ids])
            )
            gates = torch.stack(list(attached.last.gates.values()))
            sparsity += float(((gates - 0.05) ** 2).mean())
            for ask in item.asks:
                prompt, answer = encode_ask(tiny, ask)
                output, _ = attached.forward(
                    torch.tensor([prompt + answer]), state=state, write=False
                )
                logits = output.logits[0, len(prompt) - 1 : -1]
                total += float(cross_entropy(logits, torch.tensor(answer), reduction="sum"))
                exact += logits.argmax(-1).tolist() == answer
    assert float(objective.cross_entropy.detach()) == pytest.approx(total, rel=1e-4)
    assert float(objective.sparsity.detach()) == pytest.approx(sparsity, rel=1e-4)
    assert (objective.exact, objective.asks, objective.histories) == (exact, 4, 3)


def test_only_the_adapter_gets_gradients(tiny: Any) -> None:
    learner = learner_for(tiny)
    before = {name: w.clone() for name, w in tiny.model.state_dict().items()}
    learner.loss(learner.batch(EPISODES[:2])).cross_entropy.backward()
    assert all(p.grad is not None for p in learner.parameters())
    assert all(p.grad is None for p in tiny.model.parameters())
    assert all(torch.equal(w, before[name]) for name, w in tiny.model.state_dict().items())


def test_micro_batches_change_nothing(tiny: Any, tmp_path: Path) -> None:
    results = []
    for size in (1, 3, 4):
        learner = learner_for(tiny)
        checkpoints = Checkpoints(tmp_path / str(size), key="k")
        settings = config(steps=1, micro_batch_size=size, gate_sparsity=0.5)
        train(learner, EPISODES, settings, checkpoints=checkpoints)
        results.append([p.grad for p in learner.parameters()])
    for other in results[1:]:
        for got, wanted in zip(other, results[0], strict=True):
            torch.testing.assert_close(got, wanted, atol=SAME, rtol=SAME)


def test_training_learns_and_reports(tiny: Any, tmp_path: Path) -> None:
    reports: list[StepReport] = []
    steps = train(
        learner_for(tiny),
        EPISODES,
        config(steps=40, evaluate_every=20),
        checkpoints=Checkpoints(tmp_path, key="k"),
        held_out=EPISODES[:4],
        on_step=reports.append,
    )
    assert steps == len(reports) == 40
    assert [r.step for r in reports if r.held_out_em is not None] == [20, 40]
    assert reports[-1].loss < 0.7 * reports[0].loss
    assert reports[0].learning_rate < reports[5].learning_rate > reports[-1].learning_rate
    assert all(r.tokens_per_second > 0 and r.grad_norm > 0 for r in reports)


def test_every_epoch_sees_every_episode_once() -> None:
    from deltamem.training.recipe import episodes_of_step

    settings = config(steps=None, epochs=2, batch_size=4)
    seen = [e.id for step in range(6) for e in episodes_of_step(EPISODES, settings, step)]
    assert sorted(seen[:10]) == sorted(seen[10:]) == sorted(e.id for e in EPISODES)
    assert seen[:10] != seen[10:]
    ordered = config(shuffle=False, batch_size=4)
    assert [e.id for e in episodes_of_step(EPISODES, ordered, 2)] == ["e8", "e9"]


def test_the_schedule() -> None:
    settings = config(learning_rate=1.0, warmup=0.1, final_learning_rate=0.1)
    rates = [learning_rate(settings, step, 100) for step in range(100)]
    assert rates[:10] == pytest.approx([0.1 * (i + 1) for i in range(10)])
    assert max(rates) == rates[9] == pytest.approx(1.0)
    assert rates == sorted(rates[:10]) + sorted(rates[10:], reverse=True)
    assert rates[-1] == pytest.approx(0.1, abs=1e-3)


def test_a_resumed_run_ends_in_the_same_weights(tiny: Any, tmp_path: Path) -> None:
    undisturbed = learner_for(tiny)
    train(undisturbed, EPISODES, config(), checkpoints=Checkpoints(tmp_path / "a", key="k"))

    class Stop(Exception):
        pass

    def stop_at(step: int) -> Any:
        def on_step(report: StepReport) -> None:
            if report.step == step:
                raise Stop

        return on_step

    checkpoints = Checkpoints(tmp_path / "b", key="k")
    for step in (1, 3, 5):
        with pytest.raises(Stop):
            train(
                learner_for(tiny),
                EPISODES,
                config(),
                checkpoints=checkpoints,
                on_step=stop_at(step),
            )
    resumed = learner_for(tiny, seed=99)  # its start is overwritten by the checkpoint
    notes: list[str] = []
    train(resumed, EPISODES, config(), checkpoints=checkpoints, on_note=notes.append)
    assert notes == ["resuming after step 4"]
    for name, value in weights(undisturbed).items():
        assert torch.equal(resumed.state_dict()[name], value)


class Interrupted(DeltaMemLearner):
    """Ctrl-C in the forward of one step."""

    left = 4

    def loss(self, batch: Any) -> Any:
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt
        return super().loss(batch)


def test_ctrl_c_saves_where_it_is(tiny: Any, tmp_path: Path) -> None:
    learner, checkpoints = learner_for(tiny, kind=Interrupted), Checkpoints(tmp_path, key="k")
    with pytest.raises(KeyboardInterrupt):
        train(learner, EPISODES, config(), checkpoints=checkpoints)
    found, _ = checkpoints.latest()
    assert found is not None
    assert found.step == 3


def test_ctrl_c_before_a_step_was_told_goes_back_to_the_last_checkpoint(
    tiny: Any, tmp_path: Path
) -> None:
    """Or the log would lack that step: the run that goes on does not train it again."""

    def interrupt(report: StepReport) -> None:
        if report.step == 3:
            raise KeyboardInterrupt

    checkpoints = Checkpoints(tmp_path, key="k")
    with pytest.raises(KeyboardInterrupt):
        train(learner_for(tiny), EPISODES, config(), checkpoints=checkpoints, on_step=interrupt)
    starts: list[int] = []
    steps: list[int] = []
    train(
        learner_for(tiny),
        EPISODES,
        config(),
        checkpoints=checkpoints,
        on_start=starts.append,
        on_step=lambda report: steps.append(report.step),
    )
    assert starts == [2]
    assert steps == [3, 4, 5, 6]


def test_nan_stops_with_the_step_and_the_batch(tiny: Any, tmp_path: Path) -> None:
    learner = learner_for(tiny)

    def poison(report: StepReport) -> None:
        if report.step == 3:
            next(iter(learner.parameters())).data.fill_(torch.nan)

    with pytest.raises(Fault, match=r"step 4: the loss is nan .* the episodes e\d, e\d"):
        train(
            learner, EPISODES, config(), checkpoints=Checkpoints(tmp_path, key="k"), on_step=poison
        )
    found, _ = Checkpoints(tmp_path, key="k").latest()
    assert found is not None
    assert found.step == 2
    assert all(torch.isfinite(w).all() for w in found.learner.values())


@pytest.mark.parametrize("last", [False, True], ids=["at a checkpoint", "at the end"])
def test_an_update_that_diverges_is_not_saved(last: bool, tiny: Any, tmp_path: Path) -> None:
    """The loss of the last step is from before its update."""
    learner = learner_for(tiny)
    steps = 3 if last else 6

    def poison(report: StepReport) -> None:
        if report.step == 3:
            next(iter(learner.parameters())).data[0].fill_(torch.inf)

    settings = config(steps=steps, checkpoint_every=3)
    with pytest.raises(Fault, match=r"step 3: the update left .* not finite, and is not"):
        train(
            learner, EPISODES, settings, checkpoints=Checkpoints(tmp_path, key="k"), on_step=poison
        )
    assert Checkpoints(tmp_path, key="k").latest()[0] is None


def test_held_out_episodes_without_a_loss_stop_the_run(tiny: Any, tmp_path: Path) -> None:
    class Overflowing(DeltaMemLearner):
        def loss(self, batch: Any) -> Any:
            objective = super().loss(batch)
            grown = objective.cross_entropy * (1.0 if torch.is_grad_enabled() else torch.inf)
            return replace(objective, cross_entropy=grown)

    learner = learner_for(tiny, kind=Overflowing)
    with pytest.raises(Fault, match="step 3: the loss on the held-out episodes is inf"):
        train(
            learner,
            EPISODES[:8],
            config(),
            checkpoints=Checkpoints(tmp_path, key="k"),
            held_out=EPISODES[8:],
        )


def test_settings_that_make_no_sense() -> None:
    with pytest.raises(InvalidInput, match=r"training.batch_size is 0"):
        config(batch_size=0)
    with pytest.raises(InvalidInput, match=r"training.steps is 0"):
        config(steps=0)
