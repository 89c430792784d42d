"""Long prompts and long answers, to measure what a method costs; not what it knows.

The paper's protocol: prompts of 4,096, 16,384 or 32,768 tokens, 64 or 256 new ones, one at a time,
a warm-up and three runs. The record's costs are the result: ``tokens_per_second`` while answering,
``peak_memory_mb``, ``prompt_tokens`` and ``write_seconds``.

A sample: a history of plain sentences made from a seed (so that no run finds another's in a cache),
and the question

    Tell everything that happened, in order and in your own words, as a long story.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Annotated, ClassVar

from annotated_types import Ge

from deltamem_base.faults import InvalidInput
from deltamem_evaluations.benchmark import Benchmark, Data, Entry, digest_of
from deltamem_evaluations.sample import Decoding, History, Sample

__all__ = ["Throughput"]

NOUNS = ("door", "house", "river", "table", "garden", "letter", "road", "window", "horse", "lamp")
VERBS = ("saw", "left", "found", "took", "made", "kept", "moved", "painted", "opened", "sold")
WHO = ("she", "he", "they", "we", "the man", "the woman")
QUESTION = "Tell everything that happened, in order and in your own words, as a long story."
WORDS_PER_SENTENCE = 8
"""Words of a sentence with its full stop; most tokenizers have one token for each."""
SENTENCES_PER_MESSAGE = 16


class Throughput(Benchmark):
    """``repeats`` long histories with one question each."""

    primary_metric = "answered"
    texts_may_be_shared = True
    fills_answers: ClassVar[bool] = True

    def __init__(
        self,
        *,
        tokens: Annotated[int, Ge(1)] = 4096,
        max_new_tokens: Annotated[int, Ge(1)] = 64,
        repeats: Annotated[int, Ge(1)] = 4,
        seed: Annotated[int, Ge(0)] = 0,
    ) -> None:
        """Prompts of about ``tokens`` tokens; the record has the true number.

        Raises:
            InvalidInput: a number below 1.
        """
        sizes = {"tokens": tokens, "max_new_tokens": max_new_tokens, "repeats": repeats}
        for name, value in sizes.items():
            if value < 1:
                raise InvalidInput(f"bench.{name} is {value}; it must be at least 1")
        self.tokens, self.max_new_tokens, self.repeats, self.seed = (*sizes.values(), seed)

    def read(self) -> tuple[Data, list[Entry]]:
        """One question per history; the first one warms up. Histories are made when asked for."""
        entries = [
            Entry(
                where=f"bench.repeats={self.repeats}",
                history_id=str(i),
                samples=[
                    Sample(
                        id=f"run-{i}",
                        history_id=str(i),
                        question=QUESTION,
                        asked=QUESTION,
                        references=(),
                    )
                ],
                content=digest_of([self.seed, self.tokens, i]),
            )
            for i in range(self.repeats)
        ]
        return Data(source=f"made from seed {self.seed}"), entries

    def history(self, history_id: str) -> History:
        """Messages of sixteen sentences."""
        rng = random.Random(f"{self.seed}:{history_id}")
        left = max(1, self.tokens // WORDS_PER_SENTENCE)
        messages = []
        while left > 0:
            count = min(left, SENTENCES_PER_MESSAGE)
            text = " ".join(_sentence(rng) for _ in range(count))
            messages.append({"role": "user", "content": text})
            left -= count
        return History(messages=tuple(messages), join="\n")

    def decoding(self, sample: Sample) -> Decoding:
        """Greedy."""
        return Decoding(max_new_tokens=self.max_new_tokens)

    def score_answer(self, sample: Sample, answer: str) -> dict[str, float]:
        """``answered``: whether there is text beside thinking; quality is not the question here."""
        return {"answered": float(bool(answer.strip()))}

    def protocol(self) -> Mapping[str, object]:
        """Lengths, repeats and the wording."""
        return {
            "benchmark": "throughput",
            "version": 1,
            "tokens": self.tokens,
            "max_new_tokens": self.max_new_tokens,
            "repeats": self.repeats,
            "words": [*WHO, *VERBS, *NOUNS, QUESTION],
        }


def _sentence(rng: random.Random) -> str:
    who, verb, one, other = (rng.choice(words) for words in (WHO, VERBS, NOUNS, NOUNS))
    return f"Then {who} {verb} the {one} and the {other}."
