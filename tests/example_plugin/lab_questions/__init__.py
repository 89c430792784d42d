"""``bench=whereabouts``: a benchmark of somebody's own, as small as one can be.

user        Today Clara is in Oslo.
assistant   Noted.
question    Where is Clara today?
reference   Today Clara is in Oslo.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from annotated_types import Interval

from deltamem_evaluations.benchmark import Benchmark, Data, Entry, digest_of
from deltamem_evaluations.sample import Decoding, History, Sample

__all__ = ["Whereabouts"]

PLACES = {"Clara": "Oslo", "Boris": "Cairo", "Alice": "Rome"}


class Whereabouts(Benchmark):
    """One history, and a question about each person in it."""

    primary_metric = "right"
    texts_may_be_shared = True

    def __init__(
        self, *, people: Annotated[int, Interval(ge=1, le=3)] = 3, max_new_tokens: int = 8
    ) -> None:
        """How many people are told of, and how long an answer may be."""
        self.told = dict(list(PLACES.items())[:people])
        self.max_new_tokens = max_new_tokens

    def read(self) -> tuple[Data, list[Entry]]:
        """Provenance of the data, and its one history."""
        samples = [
            Sample(
                id=name,
                history_id="all",
                question=f"Where is {name} today?",
                asked=f"Where is {name} today?",
                references=(f"Today {name} is in {place}.",),
            )
            for name, place in self.told.items()
        ]
        entry = Entry(
            where="whereabouts", history_id="all", samples=samples, content=digest_of(self.told)
        )
        return Data(source="lab_questions"), [entry]

    def history(self, history_id: str) -> History:
        """Every statement, and what the assistant says to it."""
        turns = [
            {"role": role, "content": text}
            for name, place in self.told.items()
            for role, text in (
                ("user", f"Today {name} is in {place}."),
                ("assistant", "Noted."),
            )
        ]
        return History(messages=tuple(turns))

    def decoding(self, sample: Sample) -> Decoding:
        """Greedy."""
        return Decoding(max_new_tokens=self.max_new_tokens)

    def score_answer(self, sample: Sample, answer: str) -> dict[str, float]:
        """1 where the answer is the reference."""
        return {"right": float(answer.strip() in sample.references)}

    def protocol(self) -> Mapping[str, Any]:
        """All that decides a number."""
        return {"max_new_tokens": self.max_new_tokens, "right": "equal to the reference"}
