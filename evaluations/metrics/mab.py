"""MemoryAgentBench (Hu et al., 2026): matches of short answers, lists of films, summaries.

Where the benchmark looks for a reference among the characters of an answer, ours looks for whole
words; both are kept:

    answer           reference   ``mentions``   ``contains``
    It was 17.       7           no             yes
    France's south   France      yes            yes
    a union member   union       yes            yes
    unionized        union       no             yes
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any

import numpy as np

from evaluations.metrics.squad import hotpot_scores, normalise, paper_scores
from evaluations.metrics.statistics import LEVEL, RESAMPLES, SEED, Metric, summarise

__all__ = [
    "SCORERS",
    "Scorer",
    "Titles",
    "answer_line",
    "contains",
    "label_of",
    "macro_average",
    "mentions",
    "recommended",
]

Scorer = Callable[[str, Sequence[str]], float]
"""From an answer and its references, the best of which counts."""

ARTICLES = re.compile(r"\b(a|an|the)\b")
INSIDE_A_NUMBER = re.compile(r"(?<=\d)[.,:/](?=\d)")
NO_WORD = re.compile(r"[\W_]+")
PREFIXED = re.compile(r"answer:\s*(?:answer:\s*)*(\S.*)", re.IGNORECASE)
LABEL = re.compile(r"^\W*label\b\W*", re.IGNORECASE)
JSON_ANSWER = re.compile(r'"answer"\s*:\s*("(?:[^"\\]|\\.)*")', re.IGNORECASE)
NUMBERED = re.compile(r"^[ \t*#>-]*\d{1,2}[ \t]*[.)、][ \t]*[-–—]?[ \t]*(\S.*)$", re.MULTILINE)
IN_PARENTHESES = re.compile(r"\([^()]*\)")
ADDRESS = re.compile(r"^<?https?://[^/]+/resource/")
RECALLED = (1, 5, 10)
"""Lengths of the list of films at which recall is taken."""


def answer_line(text: str) -> str:
    """The line after the first "Answer:", else the first line that is not empty."""
    match = PREFIXED.search(text)
    lines = [match[1]] if match else text.splitlines()
    return next((line.strip() for line in lines if line.strip()), "")


def label_of(text: str) -> str:
    """A label without the word "label" before it.

    >>> label_of("label: 43")
    '43'
    """
    return LABEL.sub("", answer_line(text)).strip()


def contains(text: str, reference: str) -> bool:
    """The benchmark's own rule: normalised, the reference stands among the characters of a text."""
    return normalise(reference) in normalise(text)


def mentions(text: str, reference: str) -> bool:
    """A text has the reference as whole words, and never as a part of a number.

    Punctuation is deleted as the benchmark does ("U.S.A." is "usa"), or else parts words
    ("France's" is "france s"). A reference that is nothing but articles and punctuation has to be
    the whole text.
    """
    text, reference = (unicodedata.normalize("NFC", side) for side in (text, reference))
    wanted = [view(reference) for view in (normalise, _parted)]
    if not any(wanted):
        return text.strip().lower() == reference.strip().lower()
    views = zip(wanted, (normalise(text), _parted(text)), strict=True)
    return any(f" {part} " in f" {whole} " for part, whole in views if part)


def _parted(text: str) -> str:
    """Punctuation to spaces, but for what stands between digits: 1.7 is no 7."""
    joined = INSIDE_A_NUMBER.sub("", text.lower())
    return " ".join(ARTICLES.sub(" ", NO_WORD.sub(" ", joined)).split())


def _forms(text: str) -> list[str]:
    """An answer as it is, its line, and the answer in its JSON where it is asked for as JSON."""
    found = JSON_ANSWER.search(text)
    forms = [text, answer_line(text)]
    try:
        return [*forms, json.loads(found[1])] if found else forms
    except ValueError:
        return forms


def _best(score: Callable[[str, str], float], forms: Callable[[str], Sequence[str]]) -> Scorer:
    """The best over the forms of an answer and its references."""
    return lambda text, references: max(
        float(score(form, reference)) for form in forms(text) for reference in references
    )


def _equal(text: str, reference: str) -> bool:
    same = normalise(text) == normalise(reference)
    return same and (bool(normalise(text)) or text.strip().lower() == reference.strip().lower())


@cache
def _rouge() -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(["rougeL", "rougeLsum"], use_stemmer=True)


def _rouge_f1(kind: str) -> Callable[[str, str], float]:
    return lambda text, reference: _rouge().score(reference, text)[kind].fmeasure


def _whole(text: str) -> list[str]:
    return [text]


def _line(text: str) -> list[str]:
    return [answer_line(text)]


SCORERS: Mapping[str, Scorer] = {
    "accuracy": _best(mentions, _whole),
    "substring_em": _best(mentions, _whole),
    "substring_em_by_characters": _best(contains, _whole),
    "line_substring_em": _best(mentions, _line),
    "line_substring_em_by_characters": _best(contains, _line),
    "exact_match": _best(_equal, _forms),
    "label_exact_match": _best(
        lambda text, reference: _equal(label_of(text), label_of(reference)), _whole
    ),
    "unjudged_accuracy": _best(mentions, _whole),
    "unjudged_substring_em": _best(mentions, _whole),
    "unjudged_f1": _best(lambda text, reference: hotpot_scores(text, reference)["f1"], _forms),
    "unjudged_paper_f1": _best(lambda text, reference: paper_scores(text, reference)["f1"], _forms),
    "rougeL_f1": _best(_rouge_f1("rougeL"), _forms),
    "rougeLsum_f1": _best(_rouge_f1("rougeLsum"), _forms),
}
"""Metrics by name. ``unjudged`` stands where the benchmark asks a language model to judge."""


def recommended(text: str) -> list[str]:
    """The films that an answer lists, best first: its numbered lines, else lines or comma parts."""
    items = NUMBERED.findall(text) or re.split(r"[\n,]", text)
    titles = (_clean(item).strip(" *_\"'“”") for item in items)
    return [title for title in titles if title]


def _clean(text: str) -> str:
    """Without what is in parentheses (a year, "film"), with single spaces."""
    return " ".join(IN_PARENTHESES.sub(" ", text).split())


class Titles:
    """Films by id, and the nearest one to whatever an answer calls it."""

    def __init__(self, identities: Mapping[str, int]) -> None:
        """``identities``: id by name or address, as ``entity2id.json`` has them."""
        self._titles = {identity: _title(name) for name, identity in identities.items()}
        self._lower = sorted({title.lower() for title in self._titles.values()} - {""})

    def title(self, identity: int) -> str | None:
        """Title of a film; None for an unknown id."""
        return self._titles.get(identity)

    def nearest(self, names: Sequence[str]) -> list[str]:
        """For each name the title at the least edit distance, the first by alphabet of several.

        Lower case, as distances are.
        """
        from rapidfuzz.distance import Levenshtein
        from rapidfuzz.process import cdist

        if not names:
            return []
        lower = [name.lower() for name in names]
        distances = cdist(lower, self._lower, scorer=Levenshtein.distance)
        return [self._lower[i] for i in distances.argmin(axis=1)]

    def recall(self, text: str, references: Sequence[str], *, at: int) -> float:
        """Share of the wanted titles among the first ``at`` films that an answer lists."""
        found = set(self.nearest(recommended(text)[:at]))
        return sum(title.lower() in found for title in references) / len(references)

    def scorers(self) -> dict[str, Scorer]:
        """``recall@1``, ``recall@5`` and ``recall@10``."""
        return {f"recall@{at}": partial(self.recall, at=at) for at in RECALLED}


def _title(name: str) -> str:
    return _clean(ADDRESS.sub("", name).replace("_", " ").replace("-", " ").replace(">", " "))


def macro_average(scores: Sequence[tuple[float, str, str]]) -> Metric:
    """Mean over groups of the mean inside each, from (score, cluster, group) of samples.

    The interval is of a bootstrap that resamples clusters inside every group, and questions where
    a group has one cluster.

    Raises:
        ValueError: there are no scores.
    """
    whole = summarise([(score, cluster, (group,)) for score, cluster, group in scores])
    rng = np.random.default_rng(SEED)
    draws, single = [], False
    for name in whole.groups:
        inside = [(score, cluster) for score, cluster, group in scores if group == name]
        values = np.array([score for score, _ in inside], dtype=float)
        names, index = np.unique([cluster for _, cluster in inside], return_inverse=True)
        if len(names) == 1:
            index, single = np.arange(len(values)), True
        sums, counts = np.bincount(index, weights=values), np.bincount(index)
        picks = rng.multinomial(len(sums), np.full(len(sums), 1 / len(sums)), size=RESAMPLES)
        draws.append((picks @ sums) / (picks @ counts))
    edge = 100 * (1 - LEVEL) / 2
    low, high = np.percentile(np.mean(draws, axis=0), [edge, 100 - edge])
    return Metric(
        mean=float(np.mean([group["mean"] for group in whole.groups.values()])),
        ci95=(float(low), float(high)),
        n=whole.n,
        clusters=whole.clusters,
        resampled="questions" if single else "histories",
        groups=whole.groups,
    )
