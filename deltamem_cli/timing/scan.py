"""The delta rule against its token-by-token form, its floor, its own length and its inputs.

One layer of the paper's memory: B=1, N=1, r=8, float32. Letters as in deltamem/delta_rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from deltamem_cli.timing.alternate import Figure, alternate, figure
from deltamem_cli.timing.memory import peak_bytes

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["figures", "memory_figures"]

RANK = 8
FLOPS_FORWARD, FLOPS_BACKWARD = 7 * RANK**2, 20 * RANK**2
"""Per token. Forward: S k 2, update 3, S q 2. Backward: states again 5, gradients 15."""
BYTES_FORWARD, BYTES_BACKWARD = 4 * 7 * RANK, 4 * 13 * RANK
"""Per token: six inputs in, reads out; inputs and the reads' gradient in, six gradients out."""
SQUARE, COPIED = 512, 1 << 26
"""What the rates are measured on: a product of matrices, and bytes copied."""


@dataclass(frozen=True)
class _Tokens:
    """Random tokens as an untrained adapter makes them: gates around 0.18, unit keys."""

    time: int

    @cached_property
    def tensors(self) -> list[Tensor]:
        """q, k, v, keep, erase, write and the state."""
        import torch
        from torch.nn.functional import normalize

        generator = torch.Generator().manual_seed(0)
        shape = (1, self.time, 1, RANK)
        q, k, v, gate = (torch.randn(shape, generator=generator) for _ in range(4))
        beta = torch.sigmoid(gate - 1.5)
        state = torch.zeros(1, 1, RANK, RANK)
        tensors = [normalize(q, dim=-1), normalize(k, dim=-1), v, 1 - beta, beta, beta.clone()]
        return [x.requires_grad_() for x in (*tensors, state)]

    def forward(self, form: Callable[..., Any]) -> None:
        """Reads and final state."""
        import torch

        with torch.no_grad():
            form(*self.tensors)

    def train(self, form: Callable[..., Any]) -> None:
        """Forward, and gradients of everything."""
        import torch

        reads, state = form(*self.tensors)
        torch.autograd.grad((reads.sum(), state.sum()), self.tensors)


def figures(
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
    work = _Tokens(tokens)
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
    work = _Tokens(tokens)
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
    short, long = (_Tokens(time) for time in span)
    for name, form in forms.items():
        works = [partial(short.train, form), partial(long.train, form)]
        times = alternate(works, rounds=rounds, tick=tick)
        ratios = [(b / long.time) / (a / short.time) for a, b in times]
        setting = f"{name}, forward and backward, a token at T={long.time} over one at {short.time}"
        yield figure("scan.linear", ratios, setting)


def _floor(
    tick: Callable[[int, int], None],
    forms: dict[str, Callable[..., Any]],
    work: _Tokens,
    size: str,
    rounds: int,
) -> Iterator[Figure]:
    """Time over the longer of two: the operations at matmul's rate, the bytes at copy's."""
    import torch

    square = torch.randn(SQUARE, SQUARE)
    source, target = (torch.ones(COPIED // 4) for _ in range(2))
    flops = (FLOPS_FORWARD + FLOPS_BACKWARD) * work.time
    moved = (BYTES_FORWARD + BYTES_BACKWARD) * work.time
    works: list[Callable[[], object]] = [lambda: square @ square, lambda: target.copy_(source)]
    works += [partial(work.train, form) for form in forms.values()]
    times = alternate(works, rounds=rounds, tick=tick)
    for number, form in enumerate(forms, 2):
        ratios = [
            turn[number] / max(flops * turn[0] / (2 * SQUARE**3), moved * turn[1] / (2 * COPIED))
            for turn in times
        ]
        yield figure("scan.floor", ratios, f"{form}, forward and backward over its floor, {size}")
