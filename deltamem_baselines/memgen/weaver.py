"""The trained parts of MemGen: a weaver that makes latents, a trigger that says when.

Both read with the frozen backbone itself, each through low-rank branches of its own. With K queries
Q, and H the embeddings of everything so far, tokens and earlier latents:

    M = out( LM_weaver([into(H); Q])[-K:] )     K vectors that go on the sequence as embeddings
    p = softmax( head( LM_trigger(H)[-1] ) )    insert or not

Letters: B sequences, T entries (tokens and latents), D hidden, K latents.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from deltamem.backbone import embedding_weight
from deltamem_base.faults import InvalidInput
from deltamem_baselines.trained.lora import ALL_LINEAR, Lora

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["MemGenWeights", "Queries", "Trigger", "Weaver", "pad_vectors", "positions_of"]

SAMPLED_EMBEDDINGS = 1024


class Queries(nn.Module):
    """K learnt vectors, normalised and scaled to the size of embeddings."""

    def __init__(self, count: int, width: int) -> None:
        """``count``: K. ``width``: D."""
        super().__init__()
        self.vectors = nn.Parameter(torch.zeros(count, width))
        self.norm = nn.LayerNorm(width)
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self) -> Tensor:
        """(K, D)."""
        return self.scale * self.norm(self.vectors)


class Weaver(nn.Module):
    """Two sets of queries (end of the prompt, within the answer), two maps and the branches."""

    def __init__(
        self,
        model: PreTrainedModel,
        *,
        rank: int,
        alpha: float,
        prompt_latents: int,
        inference_latents: int,
    ) -> None:
        """Empty weights beside ``model``."""
        super().__init__()
        width = model.config.get_text_config().hidden_size
        self.lora = Lora(model, rank=rank, alpha=alpha, targets=ALL_LINEAR)
        self.prompt = Queries(prompt_latents, width)
        self.inference = Queries(inference_latents, width)
        self.into = nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    def weave(
        self, model: PreTrainedModel, prefixes: Sequence[Tensor], *, at_prompt: bool
    ) -> Tensor:
        """Latents after each prefix, from scratch.

        Args:
            model: the frozen backbone.
            prefixes: B embeddings (T, D) of different lengths.
            at_prompt: whose queries: those of the end of the prompt, or those within an answer.

        Returns:
            (B, K, D), of the dtype of the prefixes.
        """
        queries = (self.prompt if at_prompt else self.inference)()
        inputs, mask = pad_vectors([torch.cat([self.into(p.float()), queries]) for p in prefixes])
        with self.lora.attach(model):
            output = model.get_decoder()(
                inputs_embeds=inputs.to(prefixes[0].dtype),
                attention_mask=mask.long(),
                position_ids=positions_of(mask),
                use_cache=False,
            )
        hidden = output.last_hidden_state[:, -len(queries) :]
        latents: Tensor = self.out(hidden.float()).to(prefixes[0].dtype)
        return latents


class Trigger(nn.Module):
    """Branches and a two-way head."""

    def __init__(self, model: PreTrainedModel, *, rank: int, alpha: float) -> None:
        """Empty weights beside ``model``."""
        super().__init__()
        self.lora = Lora(model, rank=rank, alpha=alpha, targets=ALL_LINEAR)
        self.head = nn.Linear(model.config.get_text_config().hidden_size, 2)


class MemGenWeights(nn.Module):
    """Weaver and trigger together: 46,198,788 parameters on Qwen3-4B with the defaults."""

    def __init__(
        self,
        model: PreTrainedModel,
        *,
        rank: int = 8,
        alpha: float = 16.0,
        prompt_latents: int = 8,
        inference_latents: int = 8,
        trigger_trained: bool = False,
    ) -> None:
        """Empty weights beside ``model``, which is neither stored nor changed.

        Raises:
            InvalidInput: no latents, or an architecture that cannot take the branches.
        """
        super().__init__()
        for name, count in (("prompt", prompt_latents), ("inference", inference_latents)):
            if count < 1:
                raise InvalidInput(f"{name}_latents is {count}; it must be at least 1")
        self.weaver = Weaver(
            model,
            rank=rank,
            alpha=alpha,
            prompt_latents=prompt_latents,
            inference_latents=inference_latents,
        )
        self.trigger = Trigger(model, rank=rank, alpha=alpha)
        self.trigger_trained = trigger_trained
        self.to(embedding_weight(model).device)

    @torch.no_grad()
    def initialise(self, model: PreTrainedModel, *, seed: int) -> MemGenWeights:
        """Start values, a function of ``seed`` alone.

        The maps start as identities, the outer one scaled so that latents have the size of
        embeddings: a new weaver makes what the backbone would have said next, as a soft token.
        """
        generator = torch.Generator().manual_seed(seed)
        self.weaver.lora.initialise(seed=seed)
        self.trigger.lora.initialise(seed=seed + 1)
        embeddings, hidden = _sizes(model, generator)
        for queries in (self.weaver.prompt, self.weaver.inference):
            start = torch.randn(queries.vectors.shape, generator=generator)
            queries.vectors.copy_(start)
            queries.scale.fill_(embeddings)
        for linear, scale in ((self.weaver.into, 1.0), (self.weaver.out, embeddings / hidden)):
            linear.weight.copy_(scale * torch.eye(linear.in_features))
            nn.init.zeros_(linear.bias)
        nn.init.zeros_(self.trigger.head.weight)
        nn.init.zeros_(self.trigger.head.bias)
        return self

    @property
    def parameter_count(self) -> int:
        """Number of parameters of weaver and trigger."""
        return sum(p.numel() for p in self.parameters())


def pad_vectors(rows: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Rows (T, D) of different lengths -> (B, T, D) and mask (B, T) bool, padding on the left."""
    length = max(map(len, rows))
    padded = [torch.cat([row.new_zeros(length - len(row), row.shape[1]), row]) for row in rows]
    counts = torch.tensor([[len(row)] for row in rows], device=rows[0].device)
    places = torch.arange(length, device=rows[0].device)
    return torch.stack(padded), places >= length - counts


def positions_of(mask: Tensor) -> Tensor:
    """(B, T): place of each entry among the real ones."""
    return (mask.long().cumsum(1) - 1).clamp_min(0)


def _sizes(model: PreTrainedModel, generator: torch.Generator) -> tuple[float, float]:
    """Root mean square of the backbone's embeddings, and of its last hidden vectors."""
    table = embedding_weight(model)
    ids = torch.arange(min(SAMPLED_EMBEDDINGS, len(table)), device=table.device)
    embedded = model.get_input_embeddings()(ids).float()
    unit = torch.randn(1, embedded.shape[1], generator=generator).to(table.device, table.dtype)
    normed = model.get_decoder().norm(unit).float()
    return float(embedded.square().mean().sqrt()), float(normed.square().mean().sqrt())
