"""Okapi BM25 (Robertson and Zaragoza, 2009) by ``rank_bm25``, over documents that can be added to.

    score(q, d) = Σ_{t in q} idf(t) · f(t, d) · (k1 + 1) / (f(t, d) + k1 · (1 − b + b · |d| / L))

A term that occurs twice in the query counts twice. With n of N documents holding t, idf is

    lucene        ln(1 + (N − n + ½) / (n + ½)), never negative
    okapi_floor   ln((N − n + ½) / (n + ½)), a quarter of the mean idf where negative
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from rank_bm25 import BM25Okapi

from deltamem_base.faults import InvalidInput, check_choice

__all__ = ["IDFS", "Ranking"]

NUMBER_BYTES = 8


class _Lucene(BM25Okapi):  # type: ignore[misc]  # the package has no types
    def _calc_idf(self, nd: Mapping[str, int]) -> None:
        size = self.corpus_size
        self.idf = {term: math.log1p((size - n + 0.5) / (n + 0.5)) for term, n in nd.items()}


IDFS = {"lucene": _Lucene, "okapi_floor": BM25Okapi}
"""Ways to weigh a term, each with the class of ``rank_bm25`` that does."""


class Ranking:
    """Documents in the order of their arrival, scored for the terms of a query."""

    def __init__(self, *, k1: float = 1.5, b: float = 0.75, idf: str = "lucene") -> None:
        """An empty ranking.

        Args:
            k1: how soon further occurrences of a term stop counting; above 0.
            b: how much long documents are held back, from 0 to 1.
            idf: one of :data:`IDFS`.

        Raises:
            InvalidInput: a value out of range.
        """
        check_choice("idf", idf, tuple(IDFS))
        if k1 <= 0 or not 0 <= b <= 1:
            raise InvalidInput(f"k1 is {k1} and b is {b}; use k1 > 0 and b from 0 to 1")
        self._k1, self._b, self._class = k1, b, IDFS[idf]
        self._documents: list[Sequence[str]] = []
        self._vocabulary: set[str] = set()
        self._postings = 0
        self._index: BM25Okapi | None = None

    def __len__(self) -> int:
        return len(self._documents)

    @property
    def nbytes(self) -> int:
        """Bytes of an inverted index: its terms, two numbers of a posting, one of a length."""
        terms = sum(len(term.encode()) for term in self._vocabulary)
        return terms + NUMBER_BYTES * (2 * self._postings + len(self))

    def add(self, documents: Sequence[Sequence[str]]) -> None:
        """Append documents, each a sequence of terms; the next query counts everything anew."""
        self._documents += documents
        distinct = [set(document) for document in documents]
        self._vocabulary.update(*distinct)
        self._postings += sum(map(len, distinct))
        self._index = None

    def scores(self, query: Sequence[str]) -> NDArray[np.float64]:
        """The score of every document (N,) for the terms of a query."""
        if not any(self._documents):  # no mean length to divide by
            return np.zeros(len(self))
        if self._index is None:
            self._index = self._class(self._documents, k1=self._k1, b=self._b)
        with np.errstate(invalid="ignore"):  # 0 / 0 of an empty document with b = 1
            scores: NDArray[np.float64] = self._index.get_scores(query)
        return np.nan_to_num(scores)
