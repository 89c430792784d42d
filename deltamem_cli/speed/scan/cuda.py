"""The delta rule on CUDA: the fused form against torch, the sequential kernel and bandwidth.

Work is timed from its call to the end of what it started on the device: a launch counts, as it does
where nothing else keeps the device busy. Compiling happens before the first round.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import product
from typing import Any

from deltamem_cli.speed.alternate import Figure, LeftOut, alternate, figure
from deltamem_cli.speed.scan.tokens import RANK, ScanTokens

__all__ = ["cuda_figures", "device_figures"]

Work = Callable[[], object]
NAMES = ("scan.triton_vs_torch", "scan.triton_vs_sequential", "scan.triton_floor")
BATCHES = (1, 4)
TIMES = (2, 64, 2048, 8192, 32_768)
"""The short ones show whether the fused form may be chosen from two tokens on."""
COPIED = 1 << 29
"""Bytes of the copy that gives the bandwidth: ten times what a cache holds."""


def cuda_figures(tick: Callable[[int, int], None], *, rounds: int) -> Iterator[Figure | LeftOut]:
    """The figures of this machine's GPU, or what is missing for them.

    Args:
        tick: progress of what is being timed.
        rounds: turns of everything that is timed.
    """
    import torch

    from deltamem.delta_rule.many_tokens.fused import has_triton

    if not torch.cuda.is_available():
        yield LeftOut(names=NAMES, reason="this machine has no CUDA device")
    elif not has_triton():
        yield LeftOut(names=NAMES, reason="Triton is not installed: pip install 'deltamem[triton]'")
    else:
        yield from device_figures(tick, device="cuda", rounds=rounds)


def device_figures(
    tick: Callable[[int, int], None],
    *,
    device: str,
    batches: Sequence[int] = BATCHES,
    times: Sequence[int] = TIMES,
    copied: int = COPIED,
    rounds: int = 5,
) -> Iterator[Figure]:
    """Three figures for every size, forward and forward with backward; bfloat16 tokens.

    Args:
        tick: progress of what is being timed.
        device: where Triton runs: ``cuda``, or ``cpu`` under its interpreter.
        batches: values of B.
        times: values of T.
        copied: bytes of the copy that gives the bandwidth.
        rounds: turns of everything that is timed.
    """
    import torch

    name = torch.cuda.get_device_name(device) if device == "cuda" else device
    copy, forms = _copy(device, copied), _forms()
    for batch, time in product(batches, times):
        tokens = ScanTokens(time, batch, "bfloat16", device)
        size = f"B={batch} T={time} N=1 r={RANK} bfloat16, {name}"
        ways = {
            "forward": (tokens.forward, tokens.bytes_forward),
            "forward and backward": (tokens.train, tokens.bytes_train),
        }
        for way, (run, least) in ways.items():
            works: list[Work] = [copy, *(partial(run, form) for form in forms)]
            turns = alternate(works, rounds=rounds, tick=tick)
            yield from _figures(turns, 2 * copied / least, f"{way}, {size}")


def _figures(turns: Sequence[tuple[float, ...]], share: float, setting: str) -> Iterator[Figure]:
    """``share``: how many times the bytes that have to move the copy moves."""
    over_torch = [torch / triton for _, triton, torch, _ in turns]
    over_sequential = [sequential / triton for _, triton, _, sequential in turns]
    over_floor = [triton / (copy / share) for copy, triton, _, _ in turns]
    yield figure(NAMES[0], over_torch, f"torch over triton, {setting}")
    yield figure(NAMES[1], over_sequential, f"sequential in T over triton, {setting}")
    yield figure(NAMES[2], over_floor, f"triton over moving its bytes once, {setting}")


def _forms() -> tuple[Callable[..., Any], ...]:
    """Triton, torch, sequential."""
    from deltamem.delta_rule import FORMS
    from deltamem_cli.speed.scan.sequential import delta_rule_sequential

    return FORMS["triton"], FORMS["torch"], delta_rule_sequential


def _copy(device: str, copied: int) -> Work:
    """A copy of many bytes, to its end."""
    import torch

    source, target = (torch.ones(copied // 4, device=device) for _ in range(2))

    def work() -> None:
        target.copy_(source)
        if target.is_cuda:
            torch.cuda.synchronize(target.device)

    return work
