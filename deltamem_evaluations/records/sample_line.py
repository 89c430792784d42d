"""One line of ``samples.jsonl``: a question, its answer, the scores and all that they cost."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from deltamem_base.faults import InvalidData
from deltamem_base.json_text import decode, parse_json
from deltamem_base.typed_json import typed
from deltamem_evaluations.method import Finish, Side
from deltamem_evaluations.metrics.likelihood import REFERENCE_NLL
from deltamem_evaluations.quantities import Amount, Count, Share, Tree
from deltamem_evaluations.records.origins import Origin
from deltamem_evaluations.sample import Decoding

__all__ = ["SampleLine", "line_text", "parse_lines"]


@dataclass(frozen=True, kw_only=True)
class SampleLine:
    """One answered question. Its names are those of the method's reports and answers."""

    key: str
    """Key of the run: the hash of all that decides an answer."""
    origin: Origin
    """The process that made the answer."""
    id: str
    """Id of the question, once in a run."""
    history_id: str
    """Id of the history that it is about: the cluster of the statistics."""
    groups: tuple[str, ...]
    """Groups under which its scores are averaged."""
    question: str | None
    """Text of the user turn; None where the benchmark keeps it confidential, or where it was
    withheld."""
    asked: str | None
    """The question without directions for its answer; None as for ``question``."""
    metadata: Tree
    """Fields that only this benchmark's kind of sample has, by name."""
    references: tuple[str, ...]
    """Answers that count as right; none where they were withheld."""
    prediction: str | None
    """The answer as it was generated, thinking included; None where it was withheld."""
    prediction_sha256: str | None = None
    """sha256 of an answer that was withheld; None where the answer itself is here."""
    scores: Mapping[str, Share]
    """Score by metric, between 0 and 1; a metric that does not apply is left out."""
    reference_nll: Amount | None = None
    """Nats a token of the first reference; None where it was not weighed."""
    finish: Finish
    decoding: Decoding
    prompt_tokens: Count
    """Tokens in view when the first one was generated."""
    new_tokens: Count
    """Generated tokens, the one that stopped them included."""
    original_tokens: Count
    """Tokens of the history before any cut."""
    read_tokens: Count
    """Tokens of the history that the method took in, each counted once."""
    shown_tokens: Count
    """Tokens of the history that stayed in view."""
    written_tokens: Count
    """Tokens that went into the memory before the question."""
    answer_written_tokens: Count = 0
    """Tokens of the question and its answer that went into the memory."""
    cut_side: Side | None = None
    """Part of the history that was cut from view; None where nothing was."""
    cut_tokens: Count = 0
    """Tokens that were to be in view, or to be learnt, and were cut."""
    recalled_units: Count | None = None
    """Units of the history that were looked up and shown; None where nothing is looked up."""
    dropped_units: Count | None = None
    """Units that were looked up and did not fit in view."""
    state_bytes: Count | None = None
    """Bytes that the history left behind; None where the method has a fixed size."""
    write_seconds: Amount
    """Seconds of writing the history, divided among its questions."""
    answer_seconds: Amount
    """Seconds of answering, a share of the batch's."""

    @property
    def measures(self) -> dict[str, float]:
        """Whatever can be compared: the scores, and how surprising the reference was."""
        weighed = self.reference_nll
        return {**self.scores, **({} if weighed is None else {REFERENCE_NLL: weighed})}

    @property
    def is_withheld(self) -> bool:
        """Whether its texts were left out when it was published."""
        return self.prediction is None

    @property
    def answer(self) -> str:
        """The answer as it was generated.

        Raises:
            InvalidData: it was withheld.
        """
        if self.prediction is None:
            raise InvalidData(
                f"the answer to {self.id} was withheld when the run was published, because the "
                "benchmark's texts may not be published: run the same `deltamem eval` again"
            )
        return self.prediction

    def withheld(self) -> SampleLine:
        """The same line without texts: ids, groups, scores, costs, a digest of the answer."""
        if self.prediction is None:
            return self
        return replace(
            self,
            question=None,
            asked=None,
            metadata={},
            references=(),
            prediction=None,
            prediction_sha256=hashlib.sha256(self.prediction.encode()).hexdigest(),
        )

    @property
    def all_written_tokens(self) -> int:
        """Tokens that the memory took in for this answer, before the question and after."""
        return self.written_tokens + self.answer_written_tokens


def line_text(line: SampleLine) -> str:
    """The line as it is stored, with its line feed.

    Raises:
        InvalidData: a value that no line may hold, such as a score above 1.
    """
    where = f"the answer to {line.id}"
    typed(asdict(line), SampleLine, where=where)
    text = json.dumps(asdict(line), ensure_ascii=False, allow_nan=False)
    try:
        text.encode()
    except UnicodeEncodeError as fault:
        raise InvalidData(
            f"{where} holds half of a surrogate pair, which is not valid text"
        ) from fault
    return text + "\n"


def parse_lines(content: bytes, path: Path, *, key: str | None = None) -> Sequence[SampleLine]:
    """The lines of a file, each checked by itself and against the others.

    Args:
        content: whole lines.
        path: of the file, for messages.
        key: of the run that they must belong to; None takes the first line's.

    Raises:
        InvalidData: a line that is none, that belongs to another run, or whose question an earlier
            line has answered.
    """
    lines: list[SampleLine] = []
    known: set[str] = set()
    for number, raw in enumerate(content.split(b"\n")[:-1], 1):
        where = f"{path}, line {number}"
        line = _line(raw, path, number)
        key = key or line.key
        if line.key != key:
            raise InvalidData(
                f"{where} belongs to another configuration: move the folder away, or name another "
                "with runs_dir=FOLDER"
            )
        if line.id in known:
            raise InvalidData(f"{where}: an earlier line already answers {line.id}")
        known.add(line.id)
        lines.append(line)
    return lines


def _line(raw: bytes, path: Path, number: int) -> SampleLine:
    text = decode(raw, where=str(path), line=number)
    content = parse_json(text, where=str(path), line=number)
    return typed(content, SampleLine, where=f"{path}, line {number}")
