"""Questions about a paragraph (SQuAD, CC BY-SA 4.0): the paragraph is written once for all of them.

Every paragraph is one episode, worded as ``bench=squad`` words it, with some of its questions drawn
at random: who always asks the first ones teaches a memory to keep the beginning. Whole articles are
held out, since their paragraphs tell about each other.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from annotated_types import Ge

from deltamem.training import Ask, Episode, episodes_sha
from deltamem_base.faults import InvalidData, InvalidInput, check_choice
from deltamem_cli.training_data.training_data import TrainingData
from deltamem_evaluations.benchmarks.squad import BETWEEN, NO_ANSWER, asked_as, instructions
from deltamem_evaluations.data.rows.squad import Paragraph, SquadQuestion, read_paragraphs
from deltamem_evaluations.data.sources import HubSource, load_rows

__all__ = ["SquadData"]

SPLITS = ("train", "validation")


@dataclass(frozen=True, kw_only=True)
class SquadData:
    """Paragraphs with their questions; the last ``held_out`` articles are only evaluated on."""

    path: str | None
    """The official JSON, or a file or folder with the hub's rows; None takes the hub's."""
    revision: str | None
    """Commit or branch of the hub's repository; the commit is what is stored."""
    split: str
    questions: Annotated[int, Ge(1)] | None
    """Questions of a paragraph at most, drawn at random; None takes all."""
    unanswerable: bool
    """Whether to ask also what the paragraph does not answer; a fixed sentence says so."""
    visible: bool
    """Whether the paragraph, which is written, stands before each question as well."""
    max_chars: Annotated[int, Ge(1)]
    """Characters of a paragraph; longer ones are rejected, the same with every tokenizer."""
    held_out: Annotated[int, Ge(0)]
    """Articles."""
    seed: Annotated[int, Ge(0)]
    """Seed of the questions that are drawn."""

    def sources(self) -> list[HubSource]:
        """The hub's data set."""
        others = [name for name in SPLITS if name != self.split]
        source = HubSource(
            id="rajpurkar/squad_v2",
            config="squad_v2",
            splits=(self.split, *others),
            revision=self.revision,
            licence="CC BY-SA 4.0",
            setting="training.data.path",
        )
        return [source]

    def load(self) -> TrainingData:
        """Read, reject, draw questions, hold articles out.

        Raises:
            Unavailable: the data is not here and cannot be fetched.
            InvalidData: a row of the wrong shape; names the file and the row.
            InvalidInput: no article is left to train on.
        """
        check_choice("training.data.split", self.split, SPLITS)
        (source,) = self.sources()
        rows, data = load_rows(source, given=self.path)
        paragraphs = read_paragraphs([row for row in rows if row.split in (None, self.split)])
        name = source.id if self.path is None else Path(self.path).name
        if not paragraphs:
            raise InvalidData(f"{name} has no row of the split '{self.split}'")
        rejected: Counter[str] = Counter()
        made = [(p.title, e) for p in paragraphs if (e := self._episode(p, rejected)) is not None]
        last = self._held_out([title for title, _ in made], name)
        episodes = [episode for title, episode in made if title not in last]
        held_out = [episode for title, episode in made if title in last]
        facts = {
            "data": f"{source.id}, {self.split}" if self.path is None else name,
            "revision": data.revision,
            "licence": source.licence,
            "articles": len({title for title, _ in made}) - len(last),
            "held-out articles": len(last),
            "paragraphs": len(paragraphs),
            "rejected": dict(sorted(rejected.items())),
            "episodes": len(episodes),
            "questions": sum(len(episode.asks) for episode in episodes),
            "seed": self.seed,
            "sha256": episodes_sha([*episodes, *held_out]),
        }
        return TrainingData(episodes=episodes, held_out=held_out, source=facts)

    def _held_out(self, titles: Sequence[str | None], name: str) -> set[str | None]:
        """The last articles; what has no title is one article."""
        articles = list(dict.fromkeys(titles))
        if len(articles) <= self.held_out:
            raise InvalidInput(
                f"{name} has {len(articles)} articles that can be used and "
                f"training.data.held_out={self.held_out} leaves none to train on"
            )
        return set(articles[len(articles) - self.held_out :])

    def _episode(self, paragraph: Paragraph, rejected: Counter[str]) -> Episode | None:
        """A paragraph with the questions that were drawn, or None with the reason counted."""
        if len(paragraph.context) > self.max_chars:
            rejected[f"paragraph above {self.max_chars} characters"] += 1
            return None
        usable = [q for q in paragraph.questions if q.references or self.unanswerable]
        if not usable:
            rejected["no question that it answers"] += 1
            return None
        system, context = instructions(unanswerable=self.unanswerable), paragraph.context.strip()
        return Episode(
            id=paragraph.id,
            written=[system, {"role": "user", "content": context}],
            asks=[
                Ask(
                    visible=[system, {"role": "user", "content": self._turn(context, question)}],
                    answer=question.references[0] if question.references else NO_ANSWER,
                )
                for question in self._drawn(usable)
            ],
            join=BETWEEN,
        )

    def _drawn(self, questions: Sequence[SquadQuestion]) -> list[SquadQuestion]:
        # by a digest and not by a generator, whose order a library may change
        drawn = sorted(
            questions, key=lambda q: hashlib.sha256(f"{self.seed}:{q.id}".encode()).digest()
        )
        return drawn[: self.questions]

    def _turn(self, context: str, question: SquadQuestion) -> str:
        """The user turn, as the benchmark has it with the paragraph in view or without."""
        asked = asked_as(question)
        return f"{context}{BETWEEN}{asked}" if self.visible else asked
