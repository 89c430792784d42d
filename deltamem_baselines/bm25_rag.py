"""BM25 RAG: the best-matching units of the history stand in the prompt, nothing else of it does.

The paper names the method and gives no settings; these are ours, chosen by what the messages are
(docs of the benchmarks that have a BM25 arm of their own):

    titled passages   one message each, k = 4
    speaker turns     one message each with its date, k = 10
    anything else     chunks of 512 tokens, k = 10

Units are scored as they would be shown alone. They stand in their original order unless
``order=rank``. With k at least their number the prompt is the base arm's, token for token.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Interval

from deltamem.backbone import Backbone, Messages
from deltamem_base.faults import InvalidInput, check_choice
from deltamem_base.identities import MethodDescription
from deltamem_baselines.retrieval.ranking import Ranking
from deltamem_baselines.retrieval.textual import Recollection, TextualMemory
from deltamem_baselines.retrieval.units import UNITS, Unit, shown, split_units, text_kind

__all__ = ["BM25RAG", "ORDERS", "TOKENISERS"]

ORDERS = ("original", "rank")
TOKENISERS = ("word", "whitespace")
WORD = re.compile(r"\w+")
NATURAL = {"passages": ("message", 4), "turns": ("message", 10), "text": ("chunk", 10)}
"""Unit and k by what the messages are."""
SESSIONS_SHOWN = 2


class BM25RAG(TextualMemory):
    """Okapi BM25 over units of the history; see the module."""

    def __init__(
        self,
        backbone: Backbone,
        *,
        context: str = "part",
        k: Annotated[int, Ge(1)] | None = None,
        unit: str = "auto",
        chunk_tokens: Annotated[int, Ge(1)] = 512,
        order: str = "original",
        k1: Annotated[float, Gt(0)] = 1.5,
        b: Annotated[float, Interval(ge=0, le=1)] = 0.75,
        idf: str = "lucene",
        tokeniser: str = "word",
        drop_unmatched: bool = False,
    ) -> None:
        """A memory over one backbone.

        Args:
            backbone: answers.
            context: ``part`` or ``auto``.
            k: units shown at most; None for the default of their kind.
            unit: ``auto``, or a kind of :mod:`deltamem_baselines.retrieval.units`.
            chunk_tokens: the size of chunks, in tokens of the backbone.
            order: in the prompt, ``original`` or by ``rank``.
            k1: how fast a repeated word stops adding to the score (BM25's k1).
            b: how far a score is corrected for the length of a unit (BM25's b).
            idf: see :mod:`deltamem_baselines.retrieval.ranking`.
            tokeniser: ``word`` (letters and digits, case folded) or ``whitespace`` (as it is).
            drop_unmatched: leave out units of score zero, which have no term of the question.

        Raises:
            InvalidInput: a value that is not among the choices.
        """
        check_choice("unit", unit, ("auto", *UNITS))
        check_choice("order", order, ORDERS)
        check_choice("tokeniser", tokeniser, TOKENISERS)
        if chunk_tokens < 1 or (k is not None and k < 1):
            raise InvalidInput(f"k is {k} and chunk_tokens {chunk_tokens}; use at least 1")
        self._k, self._unit, self._chunk_tokens, self._order = k, unit, chunk_tokens, order
        self._k1, self._b, self._idf = k1, b, idf
        self._tokeniser, self._drop_unmatched = tokeniser, drop_unmatched
        super().__init__(backbone, context=context)

    def describe(self) -> MethodDescription:
        """Nothing is trained; text and index grow with the history."""
        return MethodDescription(
            state_bytes=None,
            settings={
                "k": self._k or {kind: k for kind, (_, k) in NATURAL.items()},
                "unit": self._unit,
                "chunk_tokens": self._chunk_tokens,
                "order": self._order,
                "k1": self._k1,
                "b": self._b,
                "idf": self._idf,
                "tokeniser": self._tokeniser,
                "drop_unmatched": self._drop_unmatched,
            },
        )

    def reset(self, batch: int = 1) -> None:
        """Start ``batch`` empty histories."""
        super().reset(batch)
        self._units: list[list[Unit]] = [[] for _ in range(batch)]
        self._indices = [self._empty_index() for _ in range(batch)]

    def index(self, pieces: Sequence[Messages]) -> list[int]:
        """Cut all text into units; index those that are new, or all where old ones changed."""
        for number, store in enumerate(self.stores):
            units = split_units(
                store.messages,
                self._unit_of(store.messages),
                size=self._chunk_tokens,
                token_starts=self.token_starts,
            )
            old = len(self._units[number])
            if units[:old] != self._units[number]:
                self._indices[number], old = self._empty_index(), 0
            texts = [_text(store.messages, unit) for unit in units[old:]]
            self._indices[number].add([self._terms(text) for text in texts])
            self._units[number] = units
        return [self.count([m["content"] for m in piece]) for piece in pieces]

    def state_bytes(self, history: int) -> int:
        """Text and index."""
        return super().state_bytes(history) + self._indices[history].nbytes

    def recall(self, history: int, query: str) -> Recollection:
        """The k units that score highest; of equals the earlier one."""
        messages, units = self.stores[history].messages, self._units[history]
        scores = self._indices[history].scores(self._terms(query))
        ranked = [int(i) for i in np.argsort(-scores, kind="stable")[: self._k_of(messages)]]
        if self._drop_unmatched:
            ranked = [i for i in ranked if scores[i] != 0]

        def show(count: int) -> list[Mapping[str, str]]:
            best = ranked[:count]
            order = sorted(best) if self._order == "original" else best
            return shown(messages, [units[i] for i in order], join=self.stores[history].join)

        return Recollection(count=len(ranked), show=show)

    def _empty_index(self) -> Ranking:
        return Ranking(k1=self._k1, b=self._b, idf=self._idf)

    def _unit_of(self, messages: Messages) -> str:
        return NATURAL[text_kind(messages)][0] if self._unit == "auto" else self._unit

    def _k_of(self, messages: Messages) -> int:
        if self._k is not None:
            return self._k
        return SESSIONS_SHOWN if self._unit == "session" else NATURAL[text_kind(messages)][1]

    def _terms(self, text: str) -> list[str]:
        return WORD.findall(text.casefold()) if self._tokeniser == "word" else text.split()


def _text(messages: Messages, unit: Unit) -> str:
    return "\n".join(message["content"] for message in shown(messages, [unit]))
