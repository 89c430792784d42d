"""The 22 sources of MemoryAgentBench: what is asked of each, how long answers are, how scored.

Facts of the benchmark's configuration files and of its tables (Hu et al., 2026): sizes of the
release of 2025, answers of at most so many tokens, metrics. Two families are judged by a language
model there; offline they get substitutes that say so in their names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from deltamem_base.faults import InvalidData, InvalidInput
from deltamem_base.json_text import read_document
from evaluations.data.rows.files import Row
from evaluations.data.rows.memory_agent_bench import MabRow
from evaluations.metrics.mab_films import RECALLED, Titles

__all__ = [
    "SOURCES",
    "SPLITS",
    "Family",
    "Source",
    "choose_sources",
    "compare_with_release",
    "read_titles",
    "source_of",
    "titles_of",
]

SPLITS = (
    "Accurate_Retrieval",
    "Test_Time_Learning",
    "Long_Range_Understanding",
    "Conflict_Resolution",
)
"""The hub's names of the four competencies."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """Sources that are asked, answered and scored alike."""

    name: str
    """Key of its templates, as in the benchmark's own file of templates."""
    split: str
    max_new_tokens: int
    metrics: tuple[str, ...]
    """By the benchmark's rules; the first is the score."""
    paper_metrics: tuple[str, ...] = ("accuracy", "accuracy_by_words")
    """As behind the paper's tables; the first is the score."""
    posed: str
    """What the question text of the data set is."""
    shows_reference: bool = False
    """The question lists options, and the reference is one of them."""
    judged: bool = False
    """By a language model in the benchmark; our score is a substitute."""
    by_title: bool = False
    """References are ids of films, and answers name films."""

    @property
    def competency(self) -> str:
        """Group of its scores."""
        return self.split.lower()


@dataclass(frozen=True, kw_only=True)
class Source:
    """One source and its size in the release."""

    name: str
    family: Family
    rows: int = 1
    questions: int = 100
    """Over all its rows."""


SUBSTRING = ("substring_em", "substring_em_by_words")
RECALLS = tuple(f"recall@{at}{how}" for how in ("", "_by_titles") for at in RECALLED)

DOCUMENTS = Family(
    name="ruler_qa",
    split="Accurate_Retrieval",
    max_new_tokens=50,
    metrics=SUBSTRING,
    posed="a question about one or several of many documents",
)
EVENTS = Family(
    name="eventqa",
    split="Accurate_Retrieval",
    max_new_tokens=40,
    metrics=("line_substring_em", "eventqa_recall", "line_substring_em_by_words"),
    posed="events of a novel so far, and the options for the next one",
    shows_reference=True,
)
CHATS = Family(
    name="longmemeval",
    split="Accurate_Retrieval",
    max_new_tokens=50,
    metrics=("unjudged_substring_em", "unjudged_substring_em_by_words"),
    paper_metrics=("unjudged_accuracy", "unjudged_accuracy_by_words"),
    posed="the date, and a question about chats of a user with an assistant",
    judged=True,
)
LABELS = Family(
    name="in_context_learning",
    split="Test_Time_Learning",
    max_new_tokens=20,
    metrics=("line_exact_match", "label_exact_match"),
    posed="a text, to be given the number of its label",
)
FILMS = Family(
    name="recsys_redial",
    split="Test_Time_Learning",
    max_new_tokens=300,
    metrics=RECALLS,
    paper_metrics=RECALLS,
    posed="a dialogue, to be continued with films",
    by_title=True,
)
SUMMARIES = Family(
    name="infbench_sum",
    split="Long_Range_Understanding",
    max_new_tokens=1200,
    metrics=("unjudged_f1", "rougeL_f1", "rougeLsum_f1"),
    paper_metrics=("unjudged_paper_f1",),
    posed="how to summarise a novel, with an example",
    judged=True,
)
DETECTIVE = Family(
    name="detective_qa",
    split="Long_Range_Understanding",
    max_new_tokens=2000,
    metrics=("exact_match", "json_exact_match"),
    posed="a question about a detective story with options and a format for the answer",
    shows_reference=True,
)
FACTS = Family(
    name="factconsolidation",
    split="Conflict_Resolution",
    max_new_tokens=10,
    metrics=SUBSTRING,
    posed="a question to be answered from the newest of conflicting facts",
)

_ALL = (
    Source(name="ruler_qa1_197K", family=DOCUMENTS),
    Source(name="ruler_qa2_421K", family=DOCUMENTS),
    Source(name="eventqa_65536", family=EVENTS, rows=5, questions=500),
    Source(name="eventqa_131072", family=EVENTS, rows=5, questions=500),
    Source(name="eventqa_full", family=EVENTS, rows=5, questions=500),
    Source(name="longmemeval_s*", family=CHATS, rows=5, questions=300),
    Source(name="icl_banking77_5900shot_balance", family=LABELS),
    Source(name="icl_clinic150_7050shot_balance", family=LABELS),
    Source(name="icl_nlu_8296shot_balance", family=LABELS),
    Source(name="icl_trec_coarse_6600shot_balance", family=LABELS),
    Source(name="icl_trec_fine_6400shot_balance", family=LABELS),
    Source(name="recsys_redial_full", family=FILMS, questions=200),
    Source(name="infbench_sum_eng_shots2", family=SUMMARIES, rows=100),
    Source(name="detective_qa", family=DETECTIVE, rows=10, questions=71),
    Source(name="factconsolidation_sh_6k", family=FACTS),
    Source(name="factconsolidation_sh_32k", family=FACTS),
    Source(name="factconsolidation_sh_64k", family=FACTS),
    Source(name="factconsolidation_sh_262k", family=FACTS),
    Source(name="factconsolidation_mh_6k", family=FACTS),
    Source(name="factconsolidation_mh_32k", family=FACTS),
    Source(name="factconsolidation_mh_64k", family=FACTS),
    Source(name="factconsolidation_mh_262k", family=FACTS),
)

SOURCES: Mapping[str, Source] = {source.name: source for source in _ALL}
"""146 rows and 3,671 questions, by name."""


def choose_sources(patterns: Sequence[str] | None) -> dict[str, Source]:
    """The sources that any of the patterns names, such as ``icl_*``; None is all.

    Raises:
        InvalidInput: a pattern that names none, or no pattern.
    """
    if patterns is None:
        return dict(SOURCES)
    if isinstance(patterns, str) or not patterns:
        raise InvalidInput(
            f"bench.sources is {patterns!r}; give a list of sources, or null for all"
        )
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in SOURCES):
            raise InvalidInput(
                f"bench.sources has '{pattern}', which names no source; choose among "
                f"{', '.join(SOURCES)}, or patterns of them such as icl_*"
            )
    return {
        name: source
        for name, source in SOURCES.items()
        if any(fnmatchcase(name, pattern) for pattern in patterns)
    }


def source_of(row: MabRow, at: Row) -> Source:
    """The source that a row names.

    Args:
        row: of the data.
        at: where it stands; its split counts where the row has none of its own.

    Raises:
        InvalidData: it names none that there is, or one of another split.
    """
    name = row.metadata.source
    if name not in SOURCES:
        raise InvalidData(
            f"{at.where}: the source '{name}' does not exist; there are {', '.join(SOURCES)}"
        )
    source = SOURCES[name]
    split = row.split or at.split
    if split not in (None, source.family.split):
        raise InvalidData(
            f"{at.where}: {name} belongs to {source.family.split} and not to the split '{split}'"
        )
    return source


def read_titles(path: Path) -> Titles:
    """The films of an ``entity2id.json``: ids by name or address.

    Raises:
        InvalidData: a file of another shape.
    """
    content = read_document(path, dict)
    if not content or not all(type(identity) is int for identity in content.values()):
        raise InvalidData(f"{path} does not hold the id of each film by its name")
    return Titles(content)


def titles_of(identities: Sequence[str], titles: Titles, at: str) -> tuple[str, ...]:
    """Films for their ids, which is what answers of such a source are; each as often as named.

    Raises:
        InvalidData: an answer that is no film's id.
    """
    found = []
    for identity in identities:
        title = titles.title(int(identity)) if identity.strip().isdecimal() else None
        if title is None:
            raise InvalidData(f"{at}: the answer '{identity}' is not among the ids of the films")
        found.append(title)
    return tuple(found)


def compare_with_release(
    chosen: Mapping[str, Source], *, rows: Mapping[str, int], questions: Mapping[str, int]
) -> Iterator[str]:
    """In words: sources without rows or of another size, and sources without their judge."""
    absent = [name for name in chosen if not rows[name]]
    if absent:
        yield f"not in the data: {', '.join(absent)}"
    for name, source in chosen.items():
        if rows[name] and (rows[name], questions[name]) != (source.rows, source.questions):
            yield (
                f"{name} has {rows[name]} rows and {questions[name]} questions instead of "
                f"{source.rows} and {source.questions}"
            )
    judged = [name for name, source in chosen.items() if rows[name] and source.family.judged]
    if judged:
        yield f"{', '.join(judged)}: scored by words in common, not by the benchmark's judge"
