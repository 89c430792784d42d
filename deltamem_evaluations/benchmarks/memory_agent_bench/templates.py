"""The cutting of MemoryAgentBench's histories and the wording of its questions: ours, or its own.

The benchmark's wording is not a part of this project. ``bench.templates=PATH`` reads it from a
checkout of HUST-AI-HYZ/MemoryAgentBench, whose ``utils/templates.py`` holds one constant of text
and one table; it is parsed and never run:

    SYSTEM_MESSAGE = "..."
    BASE_TEMPLATES = {
        "ruler_qa": {
            "system": SYSTEM_MESSAGE,
            "memorize": "... {time_stamp} ... {context} ...",       one per chunk of a history
            "query": {"long_context_agent": "... {question} ...", "rag_agent": ...},
        },
        ...
    }
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from string import Formatter

from deltamem_base.faults import InvalidData
from deltamem_base.sentences import sentence_ends
from deltamem_evaluations.data.python_text import file_of_checkout, plain_constants

__all__ = [
    "CHUNK_CHARS",
    "OWN",
    "TIME_STAMP",
    "UNIFIED",
    "Wording",
    "read_templates",
    "split_context",
]

INSIDE = "utils/templates.py"
"""The file's place in a checkout."""
TABLE = "BASE_TEMPLATES"
AGENT = "long_context_agent"
"""The kind of agent whose wording is taken: a model that reads everything."""
TIME_STAMP = "2025-07-07 00:00:00"
"""Stands for the wall clock that the benchmark writes into histories: prompts must not differ."""

CHUNK_CHARS = 4096 * 4
"""4,096 tokens, the benchmark's size of a piece, at the usual four characters to a token."""

SYSTEM = (
    "You are given a long text, piece by piece, and then asked about it. Remember what it says."
)


@dataclass(frozen=True, kw_only=True)
class Wording:
    """Text around the chunks of a history, and around a question."""

    system: str | None
    ask: tuple[str, str]
    """Text before and after the question."""
    chunk: tuple[str, str] | None = None
    """Text before and after each chunk; None leaves the text as it is, in one piece."""

    def question(self, text: str) -> str:
        """A question as it is asked."""
        return f"{self.ask[0]}{text}{self.ask[1]}".strip()


def _own(text: str, *, system: str | None = SYSTEM) -> Wording:
    before, _, after = text.partition("{question}")
    return Wording(system=system, ask=(before, after))


OWN: Mapping[str, Wording] = {
    "ruler_qa": _own(
        "Answer from the documents that you were given. Write the answer and nothing else.\n\n"
        "Question: {question}\nAnswer:"
    ),
    "eventqa": _own(
        "The task below is about the novel that you were given. Copy the event that you choose, "
        "word for word, and write nothing else.\n\n{question}\n\nNext event:"
    ),
    "longmemeval": _own(
        "You had the chats that you were given with the user who asks now. Answer from them, in "
        "as few words as you can.\n\n{question}\nAnswer:"
    ),
    "in_context_learning": _own(
        "The examples that you were given show which number labels which kind of text. Find the "
        "number for the text below. Write the number and nothing else.\n\n"
        "Text: {question}\nLabel:"
    ),
    "recsys_redial": _own(
        "You advise people on films, as in the dialogues that you were given. Read this new "
        "dialogue and list 20 films for its user, numbered from 1. to 20., a title on each line, "
        "without any other text.\n\n{question}\n\nFilms:"
    ),
    "infbench_sum": _own(
        "Summarise the novel that you were given. This is how:\n\n{question}\n\nSummary:"
    ),
    "detective_qa": _own(
        "The question below is about the story that you were given. Answer it in exactly the "
        "format that it asks for.\n\n{question}"
    ),
    "factconsolidation": _own(
        "The facts that you were given are numbered, and later ones correct earlier ones: where "
        "two disagree, believe the larger number. Answer from these facts alone, even where you "
        "know better. Write the answer and nothing else.\n\nQuestion: {question}\nAnswer:"
    ),
}
"""Wording by family, for ``protocol=benchmark``."""

UNIFIED = _own(
    "Answer from the text that you were given and from nothing else. Be brief: a name, a phrase, "
    "a number or one sentence. If the text does not tell, write: I don't know\n\n"
    "Question: {question}\nAnswer:",
    system=None,
)
"""One wording for every family, for ``protocol=paper``."""


def split_context(context: str, *, max_chars: int = CHUNK_CHARS) -> Iterator[str]:
    """Pieces of whole sentences that joined are the text again.

    A sentence that is longer than a piece is cut at white space, and where it has none anywhere.

    Args:
        context: the text.
        max_chars: of a piece.
    """
    start = 0
    while len(context) - start > max_chars:
        limit = start + max_chars
        # the next piece begins with the white space behind a sentence
        ends = (words for words, _ in sentence_ends(context, start + 1, limit + 1))
        end = max((end for end in ends if start < end <= limit), default=0)
        if not end:
            spaces = [context.rfind(space, start + 1, limit + 1) for space in " \n\t"]
            end = max(spaces) if max(spaces) > start else limit
        yield context[start:end]
        start = end
    yield context[start:]


def read_templates(given: str) -> dict[str, Wording]:
    """The benchmark's own wording, from a checkout or from its file of templates.

    Args:
        given: a folder or a file of the user's.

    Raises:
        Unavailable: there is no such file.
        InvalidData: a file without the table, or with a template that cannot be filled.
    """
    path = file_of_checkout(given, inside=INSIDE, setting="bench.templates")
    table = plain_constants(path).get(TABLE)
    if not isinstance(table, dict):
        raise InvalidData(f"{path} has no table {TABLE} of plain text")
    missing = [family for family in OWN if family not in table]
    if missing:
        raise InvalidData(f"{path}: {TABLE} has no templates for {', '.join(missing)}")
    return {family: _wording(table[family], f"{path}, {family}") for family in OWN}


def _wording(row: object, where: str) -> Wording:
    row = row if isinstance(row, Mapping) else {}
    query, memorise = row.get("query"), row.get("memorize")
    query = query.get(AGENT) if isinstance(query, Mapping) else query
    return Wording(
        system=_text(row.get("system"), f"{where}, system"),
        ask=_around(_text(query, f"{where}, query"), "question", f"{where}, query"),
        chunk=_around(_text(memorise, f"{where}, memorize"), "context", f"{where}, memorize"),
    )


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise InvalidData(f"{where}: there is no text")
    return value


def _around(template: str, name: str, where: str) -> tuple[str, str]:
    """Text of a template before and after its one ``{name}``; double braces are braces.

    Only a time may be named beside it: a template that asks for the answer or the label would
    give it away.
    """
    try:
        pieces = list(Formatter().parse(template))
    except ValueError as fault:
        raise InvalidData(f"{where}: {fault}") from fault
    parts = [""]
    for literal, field, _, _ in pieces:
        parts[-1] += literal
        if field == name:
            parts.append("")
        elif field == "time_stamp":
            parts[-1] += TIME_STAMP
        elif field is not None:
            raise InvalidData(f"{where}: {{{field}}} is not filled; only {{{name}}} is")
    if len(parts) != 2:
        raise InvalidData(f"{where}: {{{name}}} occurs {len(parts) - 1} times, not once")
    return parts[0], parts[1]
