"""The delta rule against its token-by-token form, its floor, its own length and its inputs.

One layer of the paper's memory: B=1, N=1, r=8, float32. Letters as in deltamem/delta_rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from deltamem_cli.speed.alternate import Figure, LeftOut, alternate, figure
from deltamem_cli.speed.peak_memory import peak_bytes
from deltamem_cli.speed.scan.cuda import cuda_figures
from deltamem_cli.speed.scan.tokens import RANK, ScanTokens

__all__ = ["cpu_figures", "figures", "memory_figures"]

FLOPS_FORWARD, FLOPS_BACKWARD = 7 * RANK**2, 20 * RANK**2
"""Operations per token. Forward: S k 2, update 3, S q 2. Backward: states again 5, gradients 15."""
SQUARE, COPIED = 512, 1 << 26
"""Sizes at which the machine's rates are measured: a product of matrices, and bytes copied."""


def figures(tick: Callable[[int, int], None], *, rounds: int = 5) -> Iterator[Figure | LeftOut]:
    """Figures of the GPU (cuda.py), and then those of the CPU.

    Args:
        tick: progress of what is being timed.
        rounds: turns of everything that is timed.
    """
    yield from cuda_figures(tick, rounds=rounds)
    yield from cpu_figures(tick, rounds=rounds)


def cpu_figures(
    tick: Callable[[int, int], None],
    *,
    tokens: int = 8192,
    span: tuple[int, int] = (512, 131_072),
    rounds: int = 5,
) -> Iterator[Figure]:
    """scan.forward, scan.train, scan.linear, scan.floor and scan.memory of every form there is.

    Args:
        tick: progress of what is being timed.
        tokens: T.
        span: the lengths that the cost of a token is compared at.
        rounds: turns of everything that is timed.
    """
    import torch

    from deltamem.delta_rule import delta_rule_naive

    forms = _forms()
    work = ScanTokens(tokens)
    size = f"B=1 T={tokens} N=1 r={RANK} float32 threads={torch.get_num_threads()}"
    for name, run in (("scan.forward", work.forward), ("scan.train", work.train)):
        works = [partial(run, form) for form in (delta_rule_naive, *forms.values())]
        times = alternate(works, rounds=rounds, tick=tick)
        for number, form in enumerate(forms, 1):
            ratios = [turn[0] / turn[number] for turn in times]
            yield figure(name, ratios, f"naive over {form}, {size}")
    yield from _linear(tick, forms, span, rounds)
    yield from _floor(tick, forms, work, size, rounds)
    yield from memory_figures(tokens=tokens)


def memory_figures(*, tokens: int) -> Iterator[Figure]:
    """scan.memory of every form: counted, not timed."""
    work = ScanTokens(tokens)
    taken = sum(x.nbytes for x in work.tensors)
    for name, form in _forms().items():
        ratios = [peak_bytes(partial(work.train, form)) / taken for _ in range(2)]
        setting = f"{name}, forward and backward with outputs over inputs, T={tokens}"
        yield figure("scan.memory", ratios, setting)


def _forms() -> dict[str, Callable[..., Any]]:
    """The forms that run here, the best one first."""
    from deltamem.delta_rule import FORMS
    from deltamem.delta_rule.compiling import compiler

    return {name: FORMS[name] for name in ("cpp", "torch") if name != "cpp" or compiler()}


def _linear(
    tick: Callable[[int, int], None],
    forms: dict[str, Callable[..., Any]],
    span: tuple[int, int],
    rounds: int,
) -> Iterator[Figure]:
    short, long = (ScanTokens(time) for time in span)
    for name, form in forms.items():
        works = [partial(short.train, form), partial(long.train, form)]
        times = alternate(works, rounds=rounds, tick=tick)
        ratios = [(b / long.time) / (a / short.time) for a, b in times]
        setting = f"{name}, forward and backward, a token at T={long.time} over one at {short.time}"
        yield figure("scan.linear", ratios, setting)


def _floor(
    tick: Callable[[int, int], None],
    forms: dict[str, Callable[..., Any]],
    work: ScanTokens,
    size: str,
    rounds: int,
) -> Iterator[Figure]:
    """Time over the longer of two: the operations at matmul's rate, the bytes at copy's."""
    import torch

    square = torch.randn(SQUARE, SQUARE)
    source, target = (torch.ones(COPIED // 4) for _ in range(2))
    flops = (FLOPS_FORWARD + FLOPS_BACKWARD) * work.time
    moved = work.bytes_train
    works: list[Callable[[], object]] = [lambda: square @ square, lambda: target.copy_(source)]
    works += [partial(work.train, form) for form in forms.values()]
    times = alternate(works, rounds=rounds, tick=tick)
    for number, form in enumerate(forms, 2):
        ratios = [
            turn[number] / max(flops * turn[0] / (2 * SQUARE**3), moved * turn[1] / (2 * COPIED))
            for turn in times
        ]
        yield figure("scan.floor", ratios, f"{form}, forward and backward over its floor, {size}")
