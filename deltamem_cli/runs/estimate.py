"""The tokens that a training or an evaluation will read, and its time, before anything is loaded.

Tokens are counted from characters. Seconds come from a roofline: two operations per weight and
token at the rate of this machine's matrix product, one pass over the weights per decoded token at
the rate of its memory. What real runs take on top is learnt from finished ones.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from deltamem_cli.runs.requests import BackboneRequest, EvaluationRequest, TrainingRequest

__all__ = ["DEFAULT_FACTOR", "Rates", "Work", "duration", "factor_of", "machine_rates", "work_of"]

CHARS_PER_TOKEN = 4.0
BACKWARD = 3.0
"""Over a frozen backbone: forward, and twice that for the gradients of the activations."""
DEFAULT_FACTOR = 3.0
"""A run's time over the roofline's, where none has been finished on this machine."""
SAMPLED = 64
"""Training episodes whose length is looked at."""
MATRIX, COPIED = 1024, 2**24


@dataclass(frozen=True, kw_only=True)
class Work:
    """The tokens that a job reads and generates."""

    read_tokens: int
    new_tokens: int
    """Tokens that are generated at most, while evaluating."""
    training: bool
    parameters: int | None
    """The backbone's parameters; None where its shape is not known on this machine."""
    batch: int = 8

    def seconds(self, rates: Rates) -> float | None:
        """Time of the work at the machine's rates, without any overhead."""
        if self.parameters is None:
            return None
        forward = 2.0 * self.parameters / rates.operations
        read = self.read_tokens * forward * (BACKWARD if self.training else 1.0)
        fetched = self.parameters * rates.bytes_per_weight / rates.bandwidth / self.batch
        return read + self.new_tokens * max(forward, fetched)


@dataclass(frozen=True, kw_only=True)
class Rates:
    """Arithmetic and bandwidth of this machine."""

    operations: float
    bandwidth: float
    """Bytes read and written."""
    bytes_per_weight: int


def work_of(request: EvaluationRequest | TrainingRequest) -> Work:
    """The tokens that a training or an evaluation reads and generates.

    Raises:
        Unavailable: its data is not on this machine.
    """
    if training := isinstance(request, TrainingRequest):
        read, new = _training_tokens(request), 0
    else:
        read, new = _evaluation_tokens(request)
    return Work(
        read_tokens=read,
        new_tokens=new,
        training=training,
        parameters=_parameters(request.backbone),
        batch=request.batch_size if isinstance(request.batch_size, int) else 8,
    )


def _evaluation_tokens(request: EvaluationRequest) -> tuple[int, int]:
    from deltamem_evaluations.runner import plan_samples

    benchmark = request.benchmark
    benchmark.load()
    samples = plan_samples(benchmark, request.limit)
    histories = dict.fromkeys(sample.history_id for sample in samples)
    chars = sum(_length(benchmark.history(name).messages) for name in histories)
    chars += sum(len(sample.question) for sample in samples)
    new = sum(benchmark.decoding(sample).max_new_tokens for sample in samples)
    return round(chars / CHARS_PER_TOKEN), new


def _training_tokens(request: TrainingRequest) -> int:
    recipe, data = request.recipe, request.load_data().episodes
    looked = [data[i] for i in range(min(SAMPLED, len(data)))]
    lengths = [
        min(_length(e.written) / CHARS_PER_TOKEN, recipe.write_length)
        + sum(
            min((_length(a.visible) + len(a.answer)) / CHARS_PER_TOKEN, recipe.read_length)
            for a in e.asks
        )
        for e in looked
    ]
    steps = recipe.steps or recipe.epochs * len(data) // recipe.batch_size
    return round(statistics.mean(lengths) * steps * recipe.batch_size)


def _length(messages: Iterable[Mapping[str, str]]) -> int:
    return sum(len(message["content"]) for message in messages)


def _parameters(backbone: BackboneRequest) -> int | None:
    from deltamem_base.faults import Fault

    try:
        return sum(p.numel() for p in backbone.empty().parameters())
    except Fault:
        return None


@lru_cache(maxsize=4)
def machine_rates(device: str, dtype: str) -> Rates:
    """Measured in a fraction of a second, on the device and in the dtype of a run."""
    import torch

    cuda = device in ("auto", "cuda") and torch.cuda.is_available()
    kind = torch.device("cuda" if cuda else "cpu")
    halved = dtype == "bfloat16" or (cuda and dtype == "auto")
    number = torch.bfloat16 if halved else torch.float32
    matrix = torch.randn(MATRIX, MATRIX, device=kind, dtype=number)
    memory = torch.zeros(COPIED, device=kind)
    return Rates(
        operations=2.0 * MATRIX**3 / _seconds(lambda: matrix @ matrix, cuda=cuda),
        bandwidth=2.0 * COPIED * 4 / _seconds(memory.clone, cuda=cuda),
        bytes_per_weight=number.itemsize,
    )


def _seconds(act: Callable[[], object], *, cuda: bool) -> float:
    import torch

    times = []
    for _ in range(4):
        started = time.perf_counter()
        act()
        if cuda:
            torch.cuda.synchronize()
        times.append(time.perf_counter() - started)
    return min(times)


def factor_of(pairs: Sequence[tuple[float, float]]) -> tuple[float, int]:
    """How much longer finished runs took than their roofline, and from how many that is known.

    Args:
        pairs: (seconds at the machine's rates, seconds that it took).
    """
    ratios = [took / roofline for roofline, took in pairs if roofline > 0]
    return (statistics.median(ratios), len(ratios)) if ratios else (DEFAULT_FACTOR, 0)


def duration(seconds: float | None) -> str:
    """``45 s``, ``12 min``, ``3.5 h``, ``2.1 days``; ``?`` where it is not known."""
    if seconds is None:
        return "?"
    for size, unit in ((86400.0, "days"), (3600.0, "h")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds / 60:.0f} min" if seconds >= 60 else f"{max(seconds, 1):.0f} s"
