r"""Does what a benchmark adds to its questions give an answer away?

    question   Answer yes or no, or with a name.\n\nQuestion: Is Ada older than Bo?   reference  yes
    added      Answer yes or no, or with a name.\n\nQuestion:

The reference stands there, and nothing is given away: samples with other references have the very
same words around their questions. What only samples of one reference have around them tells it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence

from deltamem_evaluations.benchmark import Benchmark
from deltamem_evaluations.sample import Sample

__all__ = ["can_tell", "given_away"]

Frame = tuple[str, str]
"""Text before and after what is asked."""


def can_tell(benchmark: Benchmark, few: Sequence[Sample]) -> bool:
    """Whether :func:`given_away` is certain.

    It is not where a reference is found and all samples have the same one.
    """
    sets = [_references(sample) for sample in benchmark.samples()]
    differ = any(one.isdisjoint(sets[0]) for one in sets)
    return differ or next(given_away(benchmark, few), None) is None


def given_away(benchmark: Benchmark, few: Sequence[Sample]) -> Iterator[tuple[Sample, str]]:
    """Samples with the reference that stands in what is added to them, and to no others.

    The words around the questions of all samples are looked through, and the instructions before
    the histories of ``few``; of instructions that several questions share it cannot be told whose
    reference they name. A reference that is one of the options shown is no find.
    """
    shared: dict[Frame, list[frozenset[str]]] = defaultdict(list)
    for sample in benchmark.samples():
        for frame in _frames(sample):
            shared[frame].append(_references(sample))
    for sample in benchmark.samples():
        own, others = _references(sample), [shared[frame] for frame in _frames(sample)]
        for reference in _standing(sample, " ".join(_frames(sample)[0])):
            if not any(own.isdisjoint(one) for sets in others for one in sets):
                yield sample, reference
                break
    for sample in few:
        instructions = _instructions(benchmark, sample)
        for reference in _standing(sample, instructions):
            if not any(
                _references(sample).isdisjoint(_references(other))
                and _instructions(benchmark, other) == instructions
                for other in benchmark.samples()
            ):
                yield sample, reference
                break


def _references(sample: Sample) -> frozenset[str]:
    return frozenset(reference.strip().casefold() for reference in sample.references)


def _frames(sample: Sample) -> list[Frame]:
    """Text before and after the question, for every place where it may be meant to stand."""
    places = re.finditer(re.escape(sample.asked), sample.question) if sample.asked else ()
    frames = [(sample.question[: m.start()], sample.question[m.end() :]) for m in places]
    return frames or [(sample.question, "")]


def _instructions(benchmark: Benchmark, sample: Sample) -> str:
    first = benchmark.history(sample.history_id).messages[:1]
    return "".join(m["content"] for m in first if m["role"] == "system")


def _standing(sample: Sample, text: str) -> Iterator[str]:
    """References that a text has as whole words, in any case."""
    for reference in sample.references:
        wanted = reference.strip().casefold()
        pattern = rf"(?<!\w){re.escape(wanted)}(?!\w)"
        if wanted and reference not in sample.options and re.search(pattern, text.casefold()):
            yield reference
