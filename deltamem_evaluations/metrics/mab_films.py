r"""Lists of films in answers: as MemoryAgentBench reads them, and as a person would.

    answer                      the benchmark's first films      ours
    1. Heat (1995)\n2. Se7en    Heat, Se7en                      Heat, Se7en
    1. Heat\n\n2. Se7en         Heat, (an empty one), Se7en      Heat, Se7en
    1. **Heat**                 **Heat**                         Heat
    1. 12 Angry Men             Angry Men                        12 Angry Men

Every name counts as the title at the least edit distance, so that a blank line takes a place of the
list, and asterisks can make a title another.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial

__all__ = ["RECALLED", "Titles", "listed", "recommended"]

RECALLED = (5, 1, 10)
"""Lengths of the list of films at which recall is taken; the first is the benchmark's score."""

FIRST = "1."
"""Where the benchmark lets a list begin, wherever it stands."""
NUMBER = re.compile(r"^\d+[.)、]?\s*[-—–]?\s*")
NUMBERED = re.compile(r"^[ \t*#>-]*\d{1,2}[ \t]*[.)、][ \t]*[-–—]?[ \t]*(\S.*)$", re.MULTILINE)
IN_PARENTHESES = re.compile(r"\([^()]*\)")
ADDRESS = re.compile(r"^<?https?://[^/]+/resource/")
SEPARATORS = str.maketrans("_->", "   ")


def listed(text: str) -> list[str]:
    """The films of an answer by the benchmark's rule: the lines after the first "1.".

    Without it all lines, commas being line breaks too. Parentheses and a leading number go, and
    what is then empty stays.
    """
    _, found, after = text.partition(FIRST)
    lines = (after if found else text.replace(",", "\n")).split("\n")
    bare = (NUMBER.sub("", IN_PARENTHESES.sub("", line.strip())) for line in lines)
    return [_spaced(line) for line in bare]


def recommended(text: str) -> list[str]:
    """The films of an answer, best first: its numbered lines, else lines or comma parts."""
    items = NUMBERED.findall(text) or re.split(r"[\n,]", text)
    titles = (_spaced(IN_PARENTHESES.sub(" ", item)).strip(" *_\"'“”") for item in items)
    return [title for title in titles if title]


class Titles:
    """Films by id, and the nearest one to whatever an answer calls it."""

    def __init__(self, identities: Mapping[str, int]) -> None:
        """``identities``: id by name or address, as ``entity2id.json`` has them."""
        self._titles = {identity: _title(name) for name, identity in identities.items()}
        self._short = {_title(name): _last_part(name) for name in identities}
        self._own = sorted({title.lower() for title in self._titles.values()} - {""})
        self._theirs = sorted({title.lower() for title in self._short.values()})

    def title(self, identity: int) -> str | None:
        """Title of a film; None for an unknown id."""
        return self._titles.get(identity)

    def nearest(self, names: Sequence[str]) -> list[str]:
        """The title at the least edit distance from each name, the first by alphabet of several.

        Lower case, as distances are.
        """
        return _nearest(names, self._own)

    def recall(self, text: str, references: Sequence[str], *, at: int) -> float:
        """Share of the wanted titles among the first ``at`` films, by the benchmark's rule.

        It knows a film by what follows the last "/" of its address, and of several titles at one
        distance it takes any; here it is the first by alphabet.
        """
        found = set(_nearest(listed(text)[:at], self._theirs))
        return sum(self._short[title].lower() in found for title in references) / len(references)

    def recall_by_titles(self, text: str, references: Sequence[str], *, at: int) -> float:
        """Share of the wanted titles among the first ``at`` films that a person would read."""
        found = set(self.nearest(recommended(text)[:at]))
        return sum(title.lower() in found for title in references) / len(references)

    def scorers(self) -> dict[str, Callable[[str, Sequence[str]], float]]:
        """``recall@1``, ``recall@5``, ``recall@10``, and the same ``_by_titles``."""
        theirs = {f"recall@{at}": partial(self.recall, at=at) for at in RECALLED}
        ours = {f"recall@{at}_by_titles": partial(self.recall_by_titles, at=at) for at in RECALLED}
        return {**theirs, **ours}


def _nearest(names: Sequence[str], titles: Sequence[str]) -> list[str]:
    from rapidfuzz.distance import Levenshtein
    from rapidfuzz.process import cdist

    if not names:
        return []
    distances = cdist([name.lower() for name in names], titles, scorer=Levenshtein.distance)
    return [titles[i] for i in distances.argmin(axis=1)]


def _title(name: str) -> str:
    """A film's name without its address and what is in parentheses."""
    return _spaced(IN_PARENTHESES.sub(" ", ADDRESS.sub("", name).translate(SEPARATORS)))


def _last_part(name: str) -> str:
    """The benchmark's title of a film: "Off" of ".../resource/Face/Off"."""
    return _spaced(IN_PARENTHESES.sub("", name.rpartition("/")[2].translate(SEPARATORS)))


def _spaced(text: str) -> str:
    return " ".join(text.split())
