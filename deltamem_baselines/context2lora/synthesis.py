"""Training rows for an adapter of one history: questions about it, or its own text.

The recipe is that of Back et al., 2026 (arXiv 2603.01097) for one long document: cut it into
chunks; per chunk a summary, then question and answer pairs, then twice pairs about what is still
missing. The writer is the frozen backbone itself. The prompts are our own words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Protocol

from annotated_types import Ge

from deltamem.backbone import Backbone, Messages, generate
from deltamem.training import Ask
from deltamem.training.collate import encode_ask
from deltamem_base.faults import InvalidInput, check_choice
from deltamem_base.seeds import seed_of

__all__ = ["ExampleSource", "Examples", "read_pairs"]

FORMS = ("questions", "text")

SUMMARISE = (
    "This is a part of a longer record:\n\n{text}\n\n"
    "Sum it up. Keep every name, number, date and place."
)
FIRST_PAIRS = (
    "Now write {pairs} questions that this part answers, each with its answer in a few words. A "
    "reader will see a question without this part, so name people and things in full. Two lines "
    "for each:\nQ: the question\nA: the answer"
)
MORE_PAIRS = (
    "Some facts of this part have no question yet. Write questions and answers about those, in "
    "the same form."
)
LINE = re.compile(r"[\W\d]*(?P<kind>Q|A)(?:uestion|nswer)?\s*\d*\**\s*[:.)](?P<text>.+)")
"""A line that holds a question or an answer, with or without number and emphasis."""
SIDE_BY_SIDE = 8
"""Chunks that are worked on at once."""


class ExampleSource(Protocol):
    """Where the training rows of one history come from; it sees nothing but the history."""

    def rows(self, backbone: Backbone, messages: Messages, *, seed: int) -> list[list[int]]:
        """Token ids of each row; every token is learnt."""

    def describe(self) -> dict[str, object]:
        """Whatever, if it changed, would make the rows others."""


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How the backbone writes; read by :func:`deltamem.backbone.generate`."""

    max_new_tokens: int
    temperature: float
    top_p: float = 1.0
    top_k: int = 0


@dataclass(frozen=True, kw_only=True)
class Examples:
    """``form=questions``: the recipe above. ``form=text``: the chunks themselves, as a chat."""

    form: str = "questions"
    chunk_tokens: Annotated[int, Ge(1)] = 2048
    overlap: Annotated[int, Ge(0)] = 200
    """Tokens that a chunk shares with the one before it."""
    pairs: Annotated[int, Ge(1)] = 40
    """Asked for in the first round."""
    rounds: Annotated[int, Ge(1)] = 3
    """Rounds in which pairs are asked for, the first included."""
    temperature: Annotated[float, Ge(0)] = 0.7
    max_new_tokens: Annotated[int, Ge(1)] = 4096
    """Most tokens of one summary, or of one round of questions."""

    def __post_init__(self) -> None:
        check_choice("method.examples.form", self.form, FORMS)
        if not 0 <= self.overlap < self.chunk_tokens:
            raise InvalidInput(
                f"method.examples.overlap is {self.overlap}; it must be at least 0 and below "
                f"chunk_tokens, {self.chunk_tokens}"
            )

    def describe(self) -> dict[str, object]:
        """All settings that matter to the form."""
        settings = asdict(self)
        if self.form == "text":
            settings = {k: settings[k] for k in ("form", "chunk_tokens", "overlap")}
        return settings

    def rows(self, backbone: Backbone, messages: Messages, *, seed: int) -> list[list[int]]:
        """Training rows of one history; instructions are not a part of it.

        Raises:
            InvalidInput: the backbone cannot hold a chunk, or wrote no pair that can be read.
        """
        told = [m for m in messages if m["role"] != "system"]
        if not told:
            return []
        if self.form == "text":
            return list(self._chunks(backbone.render_history(told).ids))
        ids = backbone.tokenizer("\n".join(m["content"] for m in told), add_special_tokens=False)
        chunks = [backbone.decode(chunk) for chunk in self._chunks(ids["input_ids"])]
        pairs: list[tuple[str, str]] = []
        for start in range(0, len(chunks), SIDE_BY_SIDE):
            pairs += self._pairs(backbone, chunks[start : start + SIDE_BY_SIDE], seed + start)
        if not pairs:
            raise InvalidInput(
                f"{backbone.name} wrote no question and answer in the form that was asked for; "
                "use method.examples.form=text, which learns the history itself"
            )
        return [_row(backbone, *pair) for pair in dict.fromkeys(pairs)]

    def _chunks(self, ids: Sequence[int]) -> Iterator[list[int]]:
        step = self.chunk_tokens - self.overlap
        for start in range(0, max(len(ids) - self.overlap, 1), step):
            yield list(ids[start : start + self.chunk_tokens])

    def _pairs(
        self, backbone: Backbone, chunks: Sequence[str], seed: int
    ) -> Iterator[tuple[str, str]]:
        """One conversation per chunk, round by round."""
        talks: list[list[dict[str, str]]] = [[] for _ in chunks]
        requests = [FIRST_PAIRS.format(pairs=self.pairs)] + [MORE_PAIRS] * (self.rounds - 1)
        for number, request in enumerate([SUMMARISE, *requests]):
            for talk, text in zip(talks, chunks, strict=True):
                content = request.format(text=text) if number == 0 else request
                talk.append({"role": "user", "content": content})
            for talk, said in zip(talks, self._write(backbone, talks, seed, number), strict=True):
                talk.append({"role": "assistant", "content": said})
                if number:
                    yield from read_pairs(said)

    def _write(
        self, backbone: Backbone, talks: Sequence[Messages], seed: int, number: int
    ) -> list[str]:
        prompts = [backbone.render(talk, add_generation_prompt=True).ids for talk in talks]
        longest = max(map(len, prompts)) + self.max_new_tokens
        if longest > backbone.window:
            raise InvalidInput(
                f"writing questions takes {longest} tokens and {backbone.name} attends to "
                f"{backbone.window}: lower method.examples.chunk_tokens, or use "
                "method.examples.form=text"
            )
        sampling = Sampling(max_new_tokens=self.max_new_tokens, temperature=self.temperature)
        seeds = [seed_of(f"{seed} {number} {i}") for i in range(len(talks))]
        return [g.text for g in generate(backbone, prompts, sampling, seeds=seeds)]


def read_pairs(text: str) -> list[tuple[str, str]]:
    r"""Each question that an answer follows, in what a model wrote.

    >>> read_pairs("1. **Q:** Who came?\n   **A:** Ada.\n\nQ: When?\nA: 7 May")
    [('Who came?', 'Ada.'), ('When?', '7 May')]
    """
    pairs: list[tuple[str, str]] = []
    question = ""
    for line in text.splitlines():
        found = LINE.match(line)
        said = found["text"].strip(" *") if found else ""
        if found and found["kind"] == "Q":
            question = said
        elif said and question:
            pairs.append((question, said))
            question = ""
    return pairs


def _row(backbone: Backbone, question: str, answer: str) -> list[int]:
    ask = Ask(visible=[{"role": "user", "content": question}], answer=answer)
    prompt, target = encode_ask(backbone, ask)
    return prompt + target
