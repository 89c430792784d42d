"""MemoryAgentBench (Hu et al., 2026): matches of short answers and summaries.

The benchmark's own number comes first wherever it can be had without a judge, under its plain name;
ours stands beside it. It looks for a reference among the characters of an answer where ours looks
for whole words, and it takes an answer as it stands where ours lets a label or a field of JSON be
introduced:

    answer                  reference   the benchmark's      ours
    It was 17.              7           substring_em 1       substring_em_by_words 0
    Catholicism             Catholic    substring_em 1       substring_em_by_words 0
    France's south          France      substring_em 1       substring_em_by_words 1
    label: 50               50          line_exact_match 0   label_exact_match 1
    {"answer": "B. Cook"}   B. Cook     exact_match 0        json_exact_match 1

Where it reads one line, that is what follows the first "Answer:" up to the end of its line, else
the first line, though it be empty; most metrics are the better of the whole answer and this line.
The authors of the paper look among the characters too, after their own normalisation
(``accuracy``).
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence

from deltamem_evaluations.metrics.rouge import rouge_f1
from deltamem_evaluations.metrics.squad import hotpot_scores, normalise, paper_scores, paper_tokens

__all__ = [
    "SCORERS",
    "Scorer",
    "answer_line",
    "contains",
    "label_of",
    "mentions",
    "parsed_line",
]

Scorer = Callable[[str, Sequence[str]], float]
"""Scores an answer by its references, the best of which counts."""

ARTICLES = re.compile(r"\b(a|an|the)\b")
INSIDE_A_NUMBER = re.compile(r"(?<=\d)[.,:/](?=\d)")
NO_WORD = re.compile(r"[\W_]+")
NAMED = re.compile(r"answer:", re.IGNORECASE)
PREFIXED = re.compile(r"answer:\s*(?:answer:\s*)*(\S.*)", re.IGNORECASE)
LABEL = re.compile(r"^\W*label\b\W*", re.IGNORECASE)
JSON_ANSWER = re.compile(r'"answer"\s*:\s*("(?:[^"\\]|\\.)*")', re.IGNORECASE)


def parsed_line(text: str) -> str:
    r"""The line that the benchmark scores: what follows the first "Answer:", else the first.

    >>> parsed_line("I think.\nAnswer: Paris\nmore")
    'Paris'
    """
    found = NAMED.search(text)
    line = text[found.end() if found else 0 :].split("\n", 1)[0].strip()
    return NAMED.sub("", line, count=1).strip() if NAMED.match(line) else line


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


def _same(text: str, reference: str) -> bool:
    return normalise(text) == normalise(reference)


def _equal(text: str, reference: str) -> bool:
    """Equal, and where nothing but punctuation is left, as it was written."""
    bare = text.strip().lower() == reference.strip().lower()
    return _same(text, reference) and (bool(normalise(text)) or bare)


def _all_contained(text: str, references: Sequence[str]) -> float:
    return float(all(reference.lower() in text.lower() for reference in references))


def _accurate(text: str, reference: str) -> bool:
    """The authors' rule: a reference that normalises to nothing is never met."""
    wanted = " ".join(paper_tokens(reference))
    return bool(wanted) and wanted in " ".join(paper_tokens(text))


def _whole(text: str) -> list[str]:
    return [text]


def _line(text: str) -> list[str]:
    return [answer_line(text)]


def _parsed(text: str) -> list[str]:
    return [parsed_line(text)]


def _whole_or_parsed(text: str) -> list[str]:
    return [text, parsed_line(text)]


def _whole_or_first_line(text: str) -> list[str]:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return [text, *lines[:1]]


THEIRS: Mapping[str, Scorer] = {
    "exact_match": _best(_same, _whole_or_parsed),
    "line_exact_match": _best(_same, _parsed),
    "substring_em": _best(contains, _whole_or_parsed),
    "line_substring_em": _best(contains, _parsed),
    "eventqa_recall": _all_contained,
    "unjudged_substring_em": _best(contains, _whole_or_parsed),
    "unjudged_f1": _best(lambda t, r: hotpot_scores(t, r)["f1"], _whole_or_parsed),
    "rougeL_f1": _best(rouge_f1("rougeL"), _whole_or_parsed),
    "rougeLsum_f1": _best(rouge_f1("rougeLsum"), _whole_or_parsed),
}
"""Scorers by the benchmark's rules; what it has a language model judge is ``unjudged``."""
PAPERS: Mapping[str, Scorer] = {
    "accuracy": _best(_accurate, _whole),
    "unjudged_accuracy": _best(_accurate, _whole),
    "unjudged_paper_f1": _best(lambda t, r: paper_scores(t, r)["f1"], _whole_or_first_line),
}
"""Scorers by the rules behind the paper's tables."""
OURS: Mapping[str, Scorer] = {
    "accuracy_by_words": _best(mentions, _whole),
    "unjudged_accuracy_by_words": _best(mentions, _whole),
    "substring_em_by_words": _best(mentions, _whole),
    "line_substring_em_by_words": _best(mentions, _line),
    "unjudged_substring_em_by_words": _best(mentions, _whole),
    "json_exact_match": _best(_equal, _forms),
    "label_exact_match": _best(lambda t, r: _equal(label_of(t), label_of(r)), _whole),
}
"""Beside them, by rules that count what a person would."""
SCORERS: Mapping[str, Scorer] = {**THEIRS, **PAPERS, **OURS}
"""All but those of films, by name."""
