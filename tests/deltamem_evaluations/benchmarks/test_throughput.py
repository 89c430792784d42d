"""Long prompts: as long as asked for, different for every repeat, the same on every run."""

from __future__ import annotations

import pytest

from deltamem_base.faults import InvalidInput
from deltamem_evaluations.benchmarks.throughput import Throughput


def test_histories_are_made_from_the_seed_and_differ_between_repeats() -> None:
    one, again, other = (
        Throughput(tokens=256),
        Throughput(tokens=256),
        Throughput(tokens=256, seed=1),
    )
    texts = [b.history("0").messages for b in (one, again, other)]
    assert texts[0] == texts[1] != texts[2]
    assert one.history("0") != one.history("1")
    one.load()
    assert [s.history_id for s in one.samples()] == ["0", "1", "2", "3"]


@pytest.mark.parametrize("tokens", [1, 64, 1000, 4096])
def test_words_are_as_many_as_asked_for(tokens: int) -> None:
    messages = Throughput(tokens=tokens).history("0").messages
    sentences = " ".join(m["content"] for m in messages).count(".")
    assert sentences == max(1, tokens // 8)
    assert len(messages) == -(-sentences // 16)


def test_lengths_decide_the_fingerprint() -> None:
    made = [Throughput(tokens=t, max_new_tokens=n) for t in (64, 128) for n in (4, 8)]
    for benchmark in made:
        benchmark.load()
    assert len({benchmark.fingerprint() for benchmark in made}) == 4


@pytest.mark.parametrize("name", ["tokens", "max_new_tokens", "repeats"])
def test_numbers_below_one_are_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match=f"bench.{name} is 0; it must be at least 1"):
        Throughput(**{name: 0})
