"""Low-rank branches beside frozen projections (LoRA, Hu et al., 2021), as values that are attached.

    y = W x + (alpha / rank) B A x        A: kaiming, B: zero, so that a new branch changes nothing

Nothing of the backbone is replaced or switched: a branch acts inside its ``with`` and nowhere else,
so two of them can serve one loss, each in its own forward, and both get their gradients.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.functional import linear
from torch.utils.hooks import RemovableHandle

from deltamem.backbone import decoder_layers
from deltamem_base.faults import InvalidInput, check_choice

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["ALL_LINEAR", "ATTENTION", "Lora"]

ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
ALL_LINEAR = (*ATTENTION, "gate_proj", "up_proj", "down_proj")


class Branch(nn.Module):
    """Weights beside one projection, in float32 whatever the backbone's dtype."""

    def __init__(self, projection: nn.Linear, rank: int) -> None:
        """Empty weights of the right shapes."""
        super().__init__()
        device = projection.weight.device
        self.a = nn.Parameter(torch.zeros(rank, projection.in_features, device=device))
        self.b = nn.Parameter(torch.zeros(projection.out_features, rank, device=device))


class Lora(nn.Module):
    """One branch for each named projection of each decoder layer."""

    def __init__(
        self, model: PreTrainedModel, *, rank: int, alpha: float, targets: Sequence[str]
    ) -> None:
        """Empty weights beside ``model``; see :meth:`initialise`.

        Args:
            model: a causal language model; it is neither stored nor changed.
            rank: inner width of a branch.
            alpha: a branch is scaled by ``alpha / rank``.
            targets: names among :data:`ALL_LINEAR`.

        Raises:
            InvalidInput: a rank below one, a name that is not among the choices, or a layer that
                has no such projection.
        """
        super().__init__()
        if rank < 1:
            raise InvalidInput(f"rank is {rank}; it must be at least 1")
        for target in targets:
            check_choice("targets", target, ALL_LINEAR)
        self.scale = alpha / rank
        self.attached = False
        """Whether the branches are on."""
        self.targets = tuple(name for name in ALL_LINEAR if name in targets)
        self.layers = nn.ModuleList(
            nn.ModuleDict({name: Branch(projection, rank) for name, projection in found})
            for found in _projections(model, self.targets)
        )

    def initialise(self, *, seed: int) -> Lora:
        """Start values: A kaiming uniform, a function of ``seed`` alone; B zero."""
        generator = torch.Generator().manual_seed(seed)
        for branch in self.branches():
            start = torch.empty(branch.a.shape)
            nn.init.kaiming_uniform_(start, a=math.sqrt(5), generator=generator)
            with torch.no_grad():
                branch.a.copy_(start)
                branch.b.zero_()
        return self

    def branches(self) -> Iterator[Branch]:
        """All branches, layer by layer."""
        for layer in self.layers:
            assert isinstance(layer, nn.ModuleDict)
            for branch in layer.values():
                assert isinstance(branch, Branch)
                yield branch

    @property
    def parameter_count(self) -> int:
        """5,898,240 on Qwen3-4B at rank 8 on the attention; 8,257,536 at rank 4 on all."""
        return sum(p.numel() for p in self.parameters())

    @contextmanager
    def attach(
        self,
        model: PreTrainedModel,
        *,
        dropout: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> Iterator[None]:
        """Branches on; on leaving, whatever happens, the backbone as it was.

        Args:
            model: the model the branches were made for.
            dropout: share of each branch's inputs that is dropped.
            generator: of the dropout, on the model's device.

        Raises:
            InvalidInput: these branches are attached already, and would act twice.
        """
        if self.attached:
            raise InvalidInput(
                "these branches are already attached; leave their `with` block first"
            )
        handles: list[RemovableHandle] = []
        self.attached = True
        try:
            for layer, found in zip(self.layers, _projections(model, self.targets), strict=True):
                assert isinstance(layer, nn.ModuleDict)
                for name, projection in found:
                    hook = _branch_off(layer[name], self.scale, _dropping(dropout, generator))
                    handles.append(projection.register_forward_hook(hook))
            yield
        finally:
            self.attached = False
            for handle in handles:
                handle.remove()


def _projections(
    model: PreTrainedModel, targets: Sequence[str]
) -> Iterator[list[tuple[str, nn.Linear]]]:
    """Named linear maps of the attention and the MLP of each decoder layer."""
    for index, block in enumerate(decoder_layers(model)):
        homes = [getattr(block, part, None) for part in ("self_attn", "mlp")]
        found = [
            (name, getattr(home, name)) for name in targets for home in homes if hasattr(home, name)
        ]
        missing = [name for name in targets if name not in dict(found)]
        if missing:
            raise InvalidInput(
                f"layer {index} of {type(model).__name__} has no separate {', '.join(missing)}; "
                "this architecture cannot take these branches"
            )
        yield found


def _branch_off(
    branch: nn.Module, scale: float, drop: Callable[[Tensor], Tensor]
) -> Callable[..., Tensor]:
    assert isinstance(branch, Branch)

    def hook(module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
        with torch.autocast(output.device.type, enabled=False):
            hidden = drop(args[0].to(branch.a.dtype))
            return output + (scale * linear(linear(hidden, branch.a), branch.b)).to(output.dtype)

    return hook


def _dropping(share: float, generator: torch.Generator | None) -> Callable[[Tensor], Tensor]:
    """Dropout that draws from a generator of its own."""

    def drop(x: Tensor) -> Tensor:
        if not share:
            return x
        kept = torch.rand(x.shape, generator=generator, device=x.device) >= share
        return x * kept / (1 - share)

    return drop
