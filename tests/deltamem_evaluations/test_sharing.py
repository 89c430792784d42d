"""Who answers what, where several processes share an evaluation."""

from __future__ import annotations

from collections import Counter
from itertools import chain

import pytest
from toys import Letters

from deltamem_evaluations.grouping import share
from deltamem_evaluations.sample import History


class Growing(Letters):
    """Each history is longer than the one before."""

    def history(self, history_id: str) -> History:
        text = "." * 1000 * (1 + int(history_id))
        return History(messages=({"role": "user", "content": text},))


@pytest.mark.parametrize("processes", [1, 2, 3, 8])
def test_each_sample_is_shared_out_once_and_a_history_stays_whole(processes: int) -> None:
    benchmark = Growing(histories=7)
    shares = [
        share(benchmark, benchmark.samples(), process=process, processes=processes)
        for process in range(processes)
    ]
    assert Counter(s.id for s in chain(*shares)) == Counter(s.id for s in benchmark.samples())
    owners = [{sample.history_id for sample in part} for part in shares]
    assert sum(map(len, owners)) == 7
    order = [sample.id for sample in benchmark.samples()]
    for part in shares:
        assert [s.id for s in part] == sorted((s.id for s in part), key=order.index)


def test_all_have_about_as_much_to_read() -> None:
    benchmark = Growing(histories=7)
    parts = [share(benchmark, benchmark.samples(), process=p, processes=3) for p in range(3)]
    owned = [sorted({int(sample.history_id) for sample in part}) for part in parts]
    assert owned == [[0, 1, 6], [2, 5], [3, 4]]


def test_many_answers_weigh_as_long_histories_do() -> None:
    """What is left of a history counts, not what was answered before."""
    benchmark = Letters(histories=4, questions=40)
    left = [s for s in benchmark.samples() if s.history_id == "0" or s.id.endswith("-0")]
    first, second = (share(benchmark, left, process=p, processes=2) for p in range(2))
    assert {sample.history_id for sample in first} == {"0"}
    assert {sample.history_id for sample in second} == {"1", "2", "3"}
