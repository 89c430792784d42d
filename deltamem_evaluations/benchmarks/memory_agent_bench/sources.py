"""The 22 sources of MemoryAgentBench with their sizes, and the rows that belong to each.

Sizes are those of the release of 2025, as the benchmark's tables give them (Hu et al., 2026).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from deltamem_base.faults import InvalidData, InvalidInput
from deltamem_evaluations.benchmarks.memory_agent_bench.families import (
    CHATS,
    DETECTIVE,
    DOCUMENTS,
    EVENTS,
    FACTS,
    FILMS,
    LABELS,
    SPLITS,
    SUMMARIES,
    Family,
)
from deltamem_evaluations.benchmarks.memory_agent_bench.films import ENTITIES
from deltamem_evaluations.data.rows.files import Row
from deltamem_evaluations.data.rows.memory_agent_bench import MabRow
from deltamem_evaluations.data.sources import HubSource

__all__ = ["HUB", "SOURCES", "Source", "choose_sources", "compare_with_release", "source_of"]

HUB = HubSource(
    id="ai-hyz/MemoryAgentBench",
    revision="7ea066982b140a19337e17e60d45d4076e042faf",
    splits=SPLITS,
    files=("data/*.parquet",),
    companions=(ENTITIES,),
    licence="MIT",
)
"""The data set at the commit whose counts are those of :data:`SOURCES`; it was edited several
times."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """One source and its size in the release."""

    name: str
    family: Family
    rows: int = 1
    questions: int = 100
    """Over all its rows."""


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


def compare_with_release(
    chosen: Mapping[str, Source], *, rows: Mapping[str, int], questions: Mapping[str, int]
) -> Iterator[str]:
    """Deviations in words: sources without rows, of another size, or without their judge."""
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
