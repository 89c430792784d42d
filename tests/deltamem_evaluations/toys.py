"""A method and a benchmark small enough to know every answer by heart; real classes, no mocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from deltamem_base.identities import BackboneIdentity, MethodDescription
from deltamem_evaluations.benchmark import Benchmark, Data, Entry
from deltamem_evaluations.method import Finish, OnAnswer, Side
from deltamem_evaluations.records.environment import peak_memory_mb
from deltamem_evaluations.records.making import Made
from deltamem_evaluations.records.provenance import MethodIdentity
from deltamem_evaluations.records.record import CellIdentity
from deltamem_evaluations.sample import Decoding, History, Prompt, Sample

IDENTITY = CellIdentity(
    cell="letters__parrot__1",
    key="k",
    model="none",
    method="parrot",
    writer=None,
    bench="letters",
    protocol="benchmark",
    context="none",
    control="none",
    seed=0,
    limited=False,
    config={"a": 1},
)
"""The names of a run of these."""
PATH = "runs/letters/record.json"
"""The place of its record."""


@dataclass(frozen=True)
class Report:
    written_tokens: int
    original_tokens: int
    shown_tokens: int = 0
    cut_side: Side | None = None
    cut_tokens: int = 0
    seconds: float = 0.0

    @property
    def read_tokens(self) -> int:
        return self.written_tokens


@dataclass(frozen=True)
class Said:
    text: str
    prompt_tokens: int = 1
    new_tokens: int = 1
    seconds: float = 0.0
    finish: Finish = "stop"
    opened_thinking: bool = False


class Parrot:
    """Remembers what was written and answers with the words that follow the question's."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.reset()

    def describe(self) -> MethodDescription:
        return MethodDescription()

    def reset(self, batch: int = 1) -> None:
        self.log.append(f"reset {batch}")
        self.held = [""] * batch

    def write(self, histories: Sequence[History]) -> list[Report]:
        texts = [" ".join(m["content"] for m in h.written) for h in histories]
        self.held = [f"{old} {new}".strip() for old, new in zip(self.held, texts, strict=True)]
        self.log.append(f"write {len(histories)}")
        return [Report(len(t.split()), len(t.split())) for t in texts]

    def answer(
        self,
        prompts: Sequence[Prompt],
        decoding: Decoding,
        *,
        side_by_side: int | None = None,
        on_answer: OnAnswer = lambda number, answer: None,
    ) -> list[Said]:
        self.log.append(f"answer {len(prompts)} of at most {side_by_side}")
        said = []
        for number, p in enumerate(prompts):
            after = self.held[p.history].partition(p.question)[2]
            said.append(Said(after.strip().partition(" ")[0]))
            on_answer(number, said[-1])
        return said

    def state_dict(self) -> Mapping[str, Any]:
        return {"held": list(self.held)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.held = list(state["held"])


class Letters(Benchmark):
    """History ``h``: "a0 x a1 y ..."; question ``a1``: what follows it."""

    primary_metric: ClassVar[str] = "em"

    def __init__(self, histories: int = 5, questions: int = 3, *, length: int = 0) -> None:
        self.size, self.questions, self.length = histories, questions, length

    def read(self) -> tuple[Data, list[Entry]]:
        return self.data(), []

    def data(self) -> Data:
        return Data(source="letters")

    def samples(self) -> list[Sample]:
        return [
            Sample(
                id=f"{h}-{q}",
                history_id=str(h),
                question=f"a{q}",
                asked=f"a{q}",
                references=(f"v{h}.{q}",),
                groups=(f"q{q}",),
            )
            for h in range(self.size)
            for q in range(self.questions)
        ]

    def history(self, history_id: str) -> History:
        text = " ".join(f"a{q} v{history_id}.{q}" for q in range(self.questions))
        return History(messages=({"role": "user", "content": text + " " * self.length},))

    def decoding(self, sample: Sample) -> Decoding:
        return Decoding(max_new_tokens=4)

    def score_answer(self, sample: Sample, answer: str) -> dict[str, float]:
        return {"em": float(answer in sample.references)}

    def protocol(self) -> Mapping[str, Any]:
        return {"benchmark": "letters", "size": self.size, "questions": self.questions}


def made_with(
    described: Mapping[str, Any] | None = None,
    *,
    family: str | None = None,
    deviations: Sequence[str] = (),
    seconds: float = 1.0,
) -> Made:
    """A method and a backbone, whose own fields begin with ``model_``."""
    given = dict(described or {})
    ours = {name: given.pop(name) for name in list(given) if name.startswith("model_")}
    named = {f.name for f in fields(MethodDescription)}
    own = {name: given.pop(name) for name in list(given) if name in named}
    said = MethodDescription(**own, settings=given)
    return Made(
        method=MethodIdentity.of(said, family=family, natural_context="visible"),
        backbone=BackboneIdentity(**ours),
        deviations=deviations,
        seconds=seconds,
        peak_memory_mb=peak_memory_mb(),
    )
