"""Okapi BM25 (Robertson and Zaragoza 2009) over documents of terms, to which more can be added.

    score(q, d) = Σ_{t in q} idf(t) · f(t, d) · (k1 + 1) / (f(t, d) + k1 · (1 − b + b · |d| / L))

A term that occurs twice in the query counts twice. With n of N documents holding t, idf is

    lucene        ln(1 + (N − n + ½) / (n + ½)), never negative
    okapi_floor   ln((N − n + ½) / (n + ½)), with ε times the mean idf in place of negative values
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from deltamem.errors import InvalidInput, check_choice

__all__ = ["BM25", "IDFS"]

IDFS = ("lucene", "okapi_floor")
NUMBER_BYTES = 8
EPSILON = 0.25
"""Share of the mean idf that ``okapi_floor`` gives to terms in more than half of the documents."""


class BM25:
    """An inverted index with counts; every statistic is taken when a query comes."""

    def __init__(self, *, k1: float = 1.5, b: float = 0.75, idf: str = "lucene") -> None:
        """An empty index.

        Args:
            k1: how soon further occurrences of a term stop counting.
            b: how much long documents are held back, from 0 to 1.
            idf: one of :data:`IDFS`.

        Raises:
            InvalidInput: a value out of range.
        """
        check_choice("idf", idf, IDFS)
        if k1 < 0 or not 0 <= b <= 1:
            raise InvalidInput(f"k1 is {k1} and b is {b}; use k1 >= 0 and b from 0 to 1")
        self.k1, self.b, self.idf = k1, b, idf
        self._lengths: list[int] = []
        self._postings: dict[str, tuple[list[int], list[int]]] = {}

    def __len__(self) -> int:
        return len(self._lengths)

    @property
    def nbytes(self) -> int:
        """Bytes of terms, and of numbers at eight bytes each: two of a posting, one of a length."""
        terms = sum(len(term.encode()) for term in self._postings)
        postings = sum(len(numbers) for numbers, _ in self._postings.values())
        return terms + NUMBER_BYTES * (2 * postings + len(self))

    def add(self, documents: Sequence[Sequence[str]]) -> None:
        """Append documents, each a sequence of terms."""
        for terms in documents:
            for term, count in Counter(terms).items():
                numbers, counts = self._postings.setdefault(term, ([], []))
                numbers.append(len(self._lengths))
                counts.append(count)
            self._lengths.append(len(terms))

    def scores(self, query: Sequence[str]) -> NDArray[np.float64]:
        """The score of every document (N,) for the terms of a query."""
        scores = np.zeros(len(self))
        known = {term: n for term, n in Counter(query).items() if term in self._postings}
        if not known:
            return scores
        lengths = np.asarray(self._lengths, dtype=np.float64)
        saturation = self.k1 * (1 - self.b + self.b * lengths / lengths.mean())
        floor = self._floor()
        for term, times in known.items():
            numbers, counts = self._postings[term]
            found = np.asarray(numbers)
            frequency = np.asarray(counts, dtype=np.float64)
            weight = times * self._weight(len(numbers), floor) * (self.k1 + 1)
            scores[found] += weight * frequency / (frequency + saturation[found])
        return scores

    def _weight(self, holding: int, floor: float) -> float:
        """The idf of a term that ``holding`` documents have."""
        odds = (len(self) - holding + 0.5) / (holding + 0.5)
        if self.idf == "lucene":
            return math.log1p(odds)
        return math.log(odds) if odds >= 1 else floor

    def _floor(self) -> float:
        """ε times the mean over all terms, itself negative where most terms are common."""
        if self.idf == "lucene":
            return 0.0
        size = len(self)
        holding = np.asarray([len(numbers) for numbers, _ in self._postings.values()])
        return EPSILON * float(np.log((size - holding + 0.5) / (holding + 0.5)).mean())
