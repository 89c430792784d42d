"""A model that a laptop runs, with a memory and without: a training step.

The shape is that of SmolLM2-135M with random weights, histories of 100 and 512 tokens, 8 side by
side. Process time is measured, for others use such a machine as well.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from deltamem.writers import MultiStateWriter, TokenWriter, Writer
from deltamem_cli.speed.alternate import Figure, alternate, figure
from deltamem_cli.speed.models import SMOLLM2_135M, random_model

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

__all__ = ["HISTORIES", "Tick", "history_ids", "loss", "size", "step_figures", "writers"]

Tick = Callable[[int, int], None]
"""Is told the turns that are done, and all turns."""
BATCH, READ = 8, 16
HISTORIES = (100, 512)


def writers() -> dict[str, Writer]:
    """Writers that are timed."""
    return {"tsw": TokenWriter(), "msw": MultiStateWriter()}


def step_figures(
    tick: Tick,
    *,
    architecture: Mapping[str, object] = SMOLLM2_135M,
    histories: tuple[int, ...] = HISTORIES,
    rounds: int = 3,
) -> Iterator[Figure]:
    """train.step_vs_bare: a step that writes, asks and learns, over one of the bare model.

    The bare model takes the same tokens in the same two passes, and gradients go back through
    both to a vector that is added to its embeddings.
    """
    model = random_model(architecture, kind="llama")
    for history in histories:
        steps = {name: _step(model, writer, history) for name, writer in writers().items()}
        works = [_bare_step(model, history), *steps.values()]
        times = alternate(works, rounds=rounds, tick=tick, clock=time.process_time)
        for number, name in enumerate(steps, 1):
            ratios = [turn[number] / turn[0] for turn in times]
            setting = f"{name} over the bare model, {size(model, history)}, process time"
            yield figure("train.step_vs_bare", ratios, setting)


def size(model: PreTrainedModel, history: int) -> str:
    """Batch, history and model that are timed, in words."""
    config = model.config
    shape = f"{config.num_hidden_layers} layers of {config.hidden_size}"
    return f"{BATCH} histories of {history} tokens, {shape}"


def history_ids(tokens: int) -> Tensor:
    """Token ids (B, T)."""
    import torch

    return (torch.arange(BATCH)[:, None] * 7 + torch.arange(tokens)) % 90 + 5


def _step(model: PreTrainedModel, writer: Writer, history: int) -> Callable[[], object]:
    import torch

    from deltamem import DeltaMemConfig, DeltaMemory

    memory = DeltaMemory(DeltaMemConfig(writer=writer), model).initialise(model, seed=0)
    optimizer = torch.optim.AdamW(memory.parameters(), lr=1e-4)
    written, asked = history_ids(history), history_ids(READ)

    def work() -> None:
        optimizer.zero_grad(set_to_none=True)
        with memory.attach(model) as attached:
            _, state = attached.forward(written, logits=False, use_cache=False)
            output, _ = attached.forward(asked, state=state, write=False, use_cache=False)
        loss(output.logits, asked).backward()
        optimizer.step()

    return work


def _bare_step(model: PreTrainedModel, history: int) -> Callable[[], object]:
    import torch

    written, asked = history_ids(history), history_ids(READ)
    added = torch.zeros(model.config.hidden_size, requires_grad=True)
    embed = model.get_input_embeddings()

    def work() -> None:
        added.grad = None
        read = model.get_decoder()(inputs_embeds=embed(written) + added, use_cache=False)
        output = model(inputs_embeds=embed(asked) + added, use_cache=False)
        (loss(output.logits, asked) + read.last_hidden_state.mean()).backward()

    return work


def loss(logits: Tensor, ids: Tensor) -> Tensor:
    """Mean cross-entropy of the next tokens."""
    from torch.nn.functional import cross_entropy

    return cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten())
