"""The audit finds every fault that is planted, by the sample's id, and nothing in clean methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from toys import Letters, Parrot, Report, Said

from deltamem_base.identities import MethodDescription
from deltamem_evaluations.audit.audit import CHECKS, audit
from deltamem_evaluations.benchmarks.recall import Recall
from deltamem_evaluations.sample import Decoding, History, Prompt


class Counted(Parrot):
    """A parrot whose state is a tensor too: the length of what it holds."""

    def state_dict(self) -> Mapping[str, Any]:
        lengths = torch.tensor([[float(len(text))] for text in self.held])
        return {"held": list(self.held), "lengths": lengths}


class NeverResets(Counted):
    def reset(self, batch: int = 1) -> None:
        old = getattr(self, "held", [""])
        self.held = (old + [""] * batch)[:batch]
        self.log = []


class Learns(Counted):
    def answer(self, prompts: Sequence[Prompt], decoding: Decoding, **pace: Any) -> list[Said]:
        said = super().answer(prompts, decoding)
        self.held = [text + " more" for text in self.held]
        return said


class CountsQuestions(Counted):
    asked = 0

    def answer(self, prompts: Sequence[Prompt], decoding: Decoding, **pace: Any) -> list[Said]:
        self.asked += 1
        return [Said(f"{s.text} {self.asked // 12}") for s in super().answer(prompts, decoding)]


class MixesRows(Counted):
    def answer(self, prompts: Sequence[Prompt], decoding: Decoding, **pace: Any) -> list[Said]:
        last = [replace(p, history=len(self.held) - 1) for p in prompts]
        return super().answer(last, decoding)


class PadsWrite(Counted):
    def state_dict(self) -> Mapping[str, Any]:
        longest = max(map(len, self.held))
        lengths = torch.tensor(
            [[float(longest if len(self.held) > 1 else len(t))] for t in self.held]
        )
        return {"held": list(self.held), "lengths": lengths + 0.5 * (len(self.held) > 1)}


class DropsTokens(Counted):
    def write(self, histories: Sequence[History]) -> list[Report]:
        return [replace(r, written_tokens=r.written_tokens - 1) for r in super().write(histories)]


class MiscountsTokens(Counted):
    def write(self, histories: Sequence[History]) -> list[Report]:
        return [replace(r, original_tokens=r.original_tokens + 1) for r in super().write(histories)]


class LosesWhatIsLoaded(Counted):
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.held = ["" for _ in state["held"]]


class WritesNothing(Counted):
    def describe(self) -> MethodDescription:
        return replace(super().describe(), write_answers=False)

    def write(self, histories: Sequence[History]) -> list[Report]:
        return [replace(r, written_tokens=0) for r in super().write(histories)]


class ShowsGold(Letters):
    def samples(self) -> Any:
        first, *rest = super().samples()
        return [replace(first, question=f"a0 ({first.references[0]})"), *rest]


def words(history: History) -> int:
    return sum(len(m["content"].split()) for m in history.messages)


def few(benchmark: Letters) -> Any:
    return [s for s in benchmark.samples() if s.id.endswith("-0")][:3]


@pytest.mark.parametrize("method", [Parrot, Counted], ids=lambda m: m.__name__)
def test_a_clean_method_passes(method: type[Parrot]) -> None:
    benchmark = Letters()
    assert audit(benchmark, method(), few(benchmark), count_tokens=words) == []


@pytest.mark.parametrize(
    ("method", "check"),
    [
        (NeverResets, "reset"),
        (Learns, "repeat"),
        (CountsQuestions, "order"),
        (MixesRows, "neighbours"),
        (PadsWrite, "neighbours"),
        (DropsTokens, "tokens"),
        (MiscountsTokens, "tokens"),
        (LosesWhatIsLoaded, "restore"),
        (WritesNothing, "writes"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_planted_faults_are_found(method: type[Parrot], check: str) -> None:
    benchmark = Letters()
    samples = few(benchmark)
    found = audit(benchmark, method(), samples, count_tokens=words)
    assert check in {finding.check for finding in found}
    assert {finding.sample for finding in found} <= {sample.id for sample in samples}


def test_gold_in_a_prompt_is_found() -> None:
    benchmark = ShowsGold()
    (finding,) = audit(benchmark, Counted(), few(benchmark), count_tokens=words)
    assert (finding.check, finding.sample) == ("gold", "0-0")


def test_every_check_is_planted() -> None:
    """The two tests above plant a fault for each check."""
    assert set(CHECKS) == {
        "reset",
        "repeat",
        "order",
        "neighbours",
        "tokens",
        "restore",
        "writes",
        "gold",
    }


@pytest.mark.parametrize("context", ["none", "visible"])
def test_delta_mem_is_clean(context: str, tiny: Any) -> None:
    from deltamem import DeltaMemConfig, DeltaMemory
    from deltamem.method.delta_mem_method import DeltaMemMethod

    memory = DeltaMemory(DeltaMemConfig(init="random", init_gain=1.0), tiny.model)
    memory.initialise(tiny.model, seed=0)
    benchmark = Recall(dialogues=1, facts=[1, 4])
    benchmark.load()
    samples = list({s.history_id: s for s in benchmark.samples()}.values())[:3]
    found = audit(
        benchmark,
        DeltaMemMethod(tiny, memory, context=context),
        samples,
        count_tokens=lambda h: len(tiny.render_history(h.messages).ids),
    )
    assert found == []
