"""Questions of a user's own, from a file: the evaluation twin of ``training=jsonl``.

    history    user: I live in Oslo. / assistant: Got it. / ...
    question   Where do I live?
    reference  Oslo

One question a line (or a list of the same as JSON, or a table; see rows/questions.py). Histories
are shared by ``history_id``; one that is the same as another's is shared without it. Questions with
``options`` show them with letters. ``instructions`` stand in a system message in front of
everything, where they stay when the history is dropped. An answer is scored as a whole, or its
first line that is not empty. Groups are those of the rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from annotated_types import Ge

from deltamem_base.faults import InvalidData, InvalidInput, check_choice
from deltamem_evaluations.benchmark import Benchmark, Data, Entry, check_new_tokens, digest_of
from deltamem_evaluations.data.rows.questions import QuestionRow
from deltamem_evaluations.data.rows.schema import check
from deltamem_evaluations.data.sources import HubSource, load_rows
from deltamem_evaluations.metrics.choice import CHOICE_RULE, LETTERS, extract_choice
from deltamem_evaluations.metrics.references import REFERENCE_METRICS
from deltamem_evaluations.metrics.squad import normalise
from deltamem_evaluations.metrics.text import first_written_line
from deltamem_evaluations.sample import Decoding, History, Message, Sample

__all__ = ["JsonlQuestions"]

CHOICE = "choice"
METRICS = (*REFERENCE_METRICS, CHOICE)
MAX_NEW_TOKENS = 64
OPTION = "({letter}) {text}"


@dataclass(frozen=True, kw_only=True)
class _Told:
    """A row with where it stands, and the id of its history."""

    where: str
    row: QuestionRow
    id: str
    history_id: str


class JsonlQuestions(Benchmark):
    """Questions from a file; see the module."""

    def __init__(
        self,
        *,
        path: str | None = None,
        metric: str | Sequence[str] = ("em", "f1"),
        instructions: str | None = None,
        first_line: bool = False,
        max_new_tokens: Annotated[int, Ge(1)] = MAX_NEW_TOKENS,
    ) -> None:
        """Settings of one evaluation.

        Args:
            path: the file, or a folder with files whose questions are taken together; must be given
                before anything is asked.
            metric: one or several of ``em``, ``f1``, ``contains``, ``rouge_l`` and ``choice``; the
                first stands in tables.
            instructions: a system message before every history; None for none.
            first_line: score the first line of an answer that is not empty, not the whole.
            max_new_tokens: of an answer.

        Raises:
            InvalidInput: a metric that does not exist or stands twice, or no room for an answer.
        """
        names = (metric,) if isinstance(metric, str) else tuple(metric)
        for name in names:
            check_choice("bench.metric", name, METRICS)
        if not names or len(set(names)) < len(names):
            raise InvalidInput(
                f"bench.metric is {list(names)}; name each metric once; choose among "
                f"{', '.join(METRICS)}"
            )
        check_new_tokens(max_new_tokens)
        self.names, self.primary_metric = names, names[0]
        self._path, self.instructions = path, instructions
        self.first_line, self.max_new_tokens = first_line, max_new_tokens

    def read(self) -> tuple[Data, list[Entry]]:
        """The questions by history, in the order in which histories are first asked about.

        Raises:
            InvalidInput: no file was given.
            Unavailable: there is no such file.
            InvalidData: a bad row, which is named; a history that is told nowhere or in two ways.
        """
        if self._path is None:
            raise InvalidInput(
                "bench=jsonl reads questions from a file of your own (docs/own-benchmark.md): "
                "name it with bench.path=FILE"
            )
        located, data = load_rows(HubSource(id=Path(self._path).name, splits=()), given=self._path)
        told = [_told(check(QuestionRow, at), at.where, n) for n, at in enumerate(located, 1)]
        self._check_scored(told)
        self._histories = _histories(told)
        by_history: dict[str, list[_Told]] = {}
        for question in told:
            by_history.setdefault(question.history_id, []).append(question)
        entries = [self._entry(name, questions) for name, questions in by_history.items()]
        return data, entries

    def _check_scored(self, told: Sequence[_Told]) -> None:
        bare = next((q for q in told if q.row.options is None), None)
        if CHOICE in self.names and bare is not None:
            raise InvalidData(f"{bare.where}: bench.metric={CHOICE} needs 'options' in every row")

    def _entry(self, history_id: str, questions: Sequence[_Told]) -> Entry:
        messages = self._histories[history_id]
        asked = [
            (q.id, q.row.model_dump(exclude={"id", "history", "history_id"})) for q in questions
        ]
        return Entry(
            where=questions[0].where,
            history_id=history_id,
            samples=[_sample(question) for question in questions],
            content=digest_of([messages, asked]),
        )

    def history(self, history_id: str) -> History:
        """The instructions, and the messages of the file."""
        first: tuple[Message, ...] = ()
        if self.instructions is not None:
            first = ({"role": "system", "content": self.instructions},)
        messages = self._histories[history_id]
        if first and messages and messages[0]["role"] == "system":
            raise InvalidInput(
                f"the history '{history_id}' has a system message of its own, and "
                "bench.instructions would stand before it: leave one of the two out"
            )
        return History(messages=(*first, *messages))

    def decoding(self, sample: Sample) -> Decoding:
        """Greedy."""
        return Decoding(max_new_tokens=self.max_new_tokens)

    def score_answer(self, sample: Sample, answer: str) -> dict[str, float]:
        """Each metric that was asked for, of the closest reference."""
        if self.first_line:
            answer = first_written_line(answer)
        return {
            name: _chosen(sample, answer)
            if name == CHOICE
            else REFERENCE_METRICS[name].best(answer, sample.references)
            for name in self.names
        }

    def protocol(self) -> Mapping[str, object]:
        """Instructions, template of the options, decoding and metrics."""
        rules = {name: metric.rule for name, metric in REFERENCE_METRICS.items()}
        rules[CHOICE] = f"the option named by its letter or its whole text; {CHOICE_RULE}"
        return {
            "benchmark": "jsonl",
            "version": 1,
            "templates": [*([self.instructions] if self.instructions else []), OPTION],
            "decoding": vars(Decoding(max_new_tokens=self.max_new_tokens)),
            "answer": "first line that is not empty" if self.first_line else "whole",
            "metrics": {name: rules[name] for name in self.names},
        }


def _told(row: QuestionRow, where: str, number: int) -> _Told:
    identity = row.id or f"question-{number}"
    history_id = row.history_id
    if history_id is None:
        history_id = f"history-{digest_of(_messages(row))[:12]}" if row.history else identity
    return _Told(where=where, row=row, id=identity, history_id=history_id)


def _messages(row: QuestionRow) -> tuple[Message, ...]:
    return tuple({"role": m.role, "content": m.content} for m in row.history or ())


def _histories(told: Sequence[_Told]) -> dict[str, tuple[Message, ...]]:
    """Every history by its id, told in at least one row and in the same words in all."""
    found: dict[str, tuple[Message, ...]] = {}
    for question in told:
        if question.row.history is None and question.row.history_id is not None:
            continue
        messages = _messages(question.row)
        if found.setdefault(question.history_id, messages) != messages:
            raise InvalidData(
                f"{question.where}: an earlier row gives the history "
                f"'{question.history_id}' another text"
            )
    missing = next((q for q in told if q.history_id not in found), None)
    if missing is not None:
        raise InvalidData(
            f"{missing.where}: no row holds the text of the history "
            f"'{missing.history_id}'; give one of its rows a 'history'"
        )
    return found


def _sample(question: _Told) -> Sample:
    row = question.row
    options = tuple(
        OPTION.format(letter=letter, text=text)
        for letter, text in zip(LETTERS, row.options or (), strict=False)
    )
    return Sample(
        id=question.id,
        history_id=question.history_id,
        question="\n".join([row.question, *options]),
        asked=row.question,
        references=row.answers,
        options=options,
        groups=tuple(dict.fromkeys(row.groups or ())),
    )


def _chosen(sample: Sample, answer: str) -> float:
    """Whether the answer names an option that is a reference, by its letter or its whole text."""
    named = extract_choice(answer)
    for letter, option in zip(LETTERS, sample.options, strict=False):
        text = option.removeprefix(OPTION.format(letter=letter, text=""))
        if letter == named or normalise(answer) == normalise(text):
            return float(text in sample.references)
    return 0.0
