"""One by one or sixteen side by side: the same answers, the same random numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deltamem import DeltaMemConfig, DeltaMemory, load_tiny
from deltamem.method.delta_mem_method import DeltaMemMethod
from deltamem_baselines.frozen import Frozen
from deltamem_evaluations.benchmarks.recall import Recall
from deltamem_evaluations.records.store import SampleStore
from deltamem_evaluations.runner import Plan, run
from deltamem_evaluations.sample import Decoding, Sample


class SampledRecall(Recall):
    """Recall with answers that are drawn."""

    def decoding(self, sample: Sample) -> Decoding:
        """At temperature 1, within the first half of the probability."""
        return Decoding(max_new_tokens=8, temperature=1.0, top_p=0.5)


def methods() -> dict[str, Any]:
    tiny = load_tiny()
    memory = DeltaMemory(DeltaMemConfig(), tiny.model).initialise(tiny.model, seed=0)
    return {
        "frozen visible": Frozen(tiny, context="visible"),
        "frozen none": Frozen(tiny, context="none"),
        "delta_mem visible": DeltaMemMethod(tiny, memory, context="visible"),
        "delta_mem none": DeltaMemMethod(tiny, memory, context="none"),
    }


def predictions(folder: Path, kind: type[Recall], method: Any, **plan: int) -> dict[str, str]:
    benchmark = kind(facts=(1, 3, 6), dialogues=3, questions=3, max_new_tokens=8)
    benchmark.load()
    with SampleStore(folder, key="k") as store:
        run(benchmark, method, store, plan=Plan(**plan))
        return {name: line.prediction for name, line in store.lines.items()}


@pytest.mark.parametrize("kind", [Recall, SampledRecall])
@pytest.mark.parametrize("name", methods())
def test_batch_size_changes_no_answer(name: str, kind: type[Recall], tmp_path: Path) -> None:
    method = methods()[name]
    alone = predictions(tmp_path / "1", kind, method, batch_size=1)
    together = predictions(tmp_path / "16", kind, method, batch_size=16)
    assert together == alone
    assert len(set(alone.values())) > 1


def test_the_seed_decides_what_is_drawn(tmp_path: Path) -> None:
    method = methods()["frozen none"]
    first, again, other = (
        predictions(tmp_path / str(i), SampledRecall, method, seed=seed)
        for i, seed in enumerate((0, 0, 1))
    )
    assert first == again
    assert first != other
