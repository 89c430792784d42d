"""Several processes train one adapter: each takes a share of every step, gradients are summed.

Which episodes make a step follows from the seed and the step, so the number of processes changes
who reads them and nothing else: losses, checkpoints and results are those of one process. Only the
adapter's gradients travel, once per optimiser step: 19 MB for Qwen3-4B.

Processes are started by ``accelerate launch`` or ``torchrun``; Accelerate's state says who is who.
With FSDP chosen there, the frozen backbone is sharded; every pass is then a meeting of all
processes, so that each takes equally many.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor, nn

from deltamem_base.faults import Fault

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["Processes", "shard"]

Item = TypeVar("Item")

PATIENCE = timedelta(days=30)
"""How long a process waits for others whose share of the work takes longer."""


@dataclass(frozen=True, kw_only=True)
class Processes:
    """Who this process is among those that train together."""

    index: int = 0
    count: int = 1

    @staticmethod
    def current(*, on_cpu: bool = False, messages_only: bool = False) -> Processes:
        """The processes that the launcher's environment names; a single one without a launcher.

        Args:
            on_cpu: meet over CPUs although there is an accelerator.
            messages_only: no tensor travels and :meth:`gather` is all that is asked for, after as
                much time as it takes; each process still has an accelerator of its own.

        Raises:
            Fault: the processes that were started do not find each other.
        """
        started = int(os.environ.get("WORLD_SIZE", "1"))
        if started == 1:
            return Processes()
        from accelerate import PartialState

        # told so, for without an accelerator it would take each process to be alone
        state = PartialState(
            cpu=on_cpu or not torch.accelerator.is_available(),
            **({"backend": "gloo", "timeout": PATIENCE} if messages_only else {}),
        )
        if state.num_processes != started:
            raise Fault(
                f"{started} processes were started, but this one sees {state.num_processes}; "
                "start them with accelerate launch or torchrun"
            )
        return Processes(index=state.process_index, count=state.num_processes)

    @property
    def main(self) -> bool:
        """Whether this one writes files and speaks."""
        return self.index == 0

    def micro_batch_size(self, wanted: int, episodes: int) -> int:
        """Episodes of a step side by side, so few that all processes have as much to do.

        Several processes take two micro-batches each, where there are episodes enough: of one each,
        ordered by length, the first process had all long histories and the others waited for it.

        Args:
            wanted: how many fit into memory.
            episodes: of the step, of all processes together.
        """
        parts = 1 if self.count == 1 else 2 * self.count
        return max(1, min(wanted, -(-episodes // parts)))

    def share(self, items: Sequence[Item]) -> list[tuple[Item, float]]:
        """This process's items with their weights; equally many for all processes.

        Items stand in the order of their costs, so every second round is dealt the other way round.
        Where items run out, a process gets one again with weight 0.
        """
        if not items:
            return []
        rounds = -(-len(items) // self.count)
        turns = (self.index, self.count - 1 - self.index)
        places = [number * self.count + turns[number % 2] for number in range(rounds)]
        return [(items[i], 1.0) if i < len(items) else (items[0], 0.0) for i in places]

    def sum_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Add up the gradients of all processes, in place and in one message."""
        if self.count == 1:
            return
        known = list(parameters)
        for parameter in known:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        flat = torch.cat([p.grad.flatten() for p in known if p.grad is not None])
        torch.distributed.all_reduce(flat)
        start = 0
        for parameter in known:
            size = parameter.numel()
            parameter.grad = flat[start : start + size].view_as(parameter)
            start += size

    def totals(self, values: Sequence[float], *, device: torch.device) -> list[float]:
        """Sums over all processes."""
        if self.count == 1:
            return list(values)
        summed = torch.tensor(values, dtype=torch.float64, device=device)
        torch.distributed.all_reduce(summed)
        return [float(value) for value in summed]

    def gather(self, item: Item) -> list[Item]:
        """The items that all processes give, in their order.

        Raises:
            RuntimeError: a process is gone.
        """
        if self.count == 1:
            return [item]
        found: list[Any] = [None] * self.count
        torch.distributed.all_gather_object(found, item)
        return found

    def wait(self) -> None:
        """Until all processes are here."""
        if self.count > 1:
            torch.distributed.barrier()

    @property
    def shards(self) -> bool:
        """Whether the launcher asked for FSDP."""
        return self.count > 1 and os.environ.get("ACCELERATE_USE_FSDP") == "true"


def shard(model: PreTrainedModel) -> None:
    """Share out a frozen backbone over all processes (FSDP2), in place.

    Each keeps its part of every matrix; norms and embeddings stay whole.
    """
    from torch.distributed.fsdp import fully_shard

    decoder = model.get_decoder()
    # attention and MLP by themselves: what a memory is given comes from a layer's norm, whose
    # weight the way back needs in layers that take no part in it otherwise
    parts = [part for layer in decoder.layers for part in layer.children() if _has_matrix(part)]
    for part in parts:
        fully_shard(part)
    whole = set(decoder.parameters()) - {p for part in parts for p in part.parameters()}
    # a write pass runs the decoder alone, so that is the root
    fully_shard(decoder, ignored_params=whole)


def _has_matrix(module: nn.Module) -> bool:
    return any(parameter.dim() > 1 for parameter in module.parameters())
