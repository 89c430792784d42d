"""The student of MLP Memory: a stack of the backbone's own MLP blocks, without attention.

    x <- x + MLP_i(norm_i(x))    depth times        p_MLP = softmax(head(norm(x)))

Its input is what the backbone's own MLP gets at the same position, so it needs no other context.
Letters: P positions, D hidden, V vocabulary.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from deltamem.backbone import decoder_layers, embedding_weight
from deltamem_base.faults import InvalidInput, check_choice

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["STARTS", "Student"]

STARTS = ("scratch", "copy")


class Block(nn.Module):
    """One pre-norm residual MLP, of the backbone's classes and in float32."""

    def __init__(self, norm: nn.Module, mlp: nn.Module) -> None:
        """Takes over both modules."""
        super().__init__()
        self.norm, self.mlp = norm, mlp

    def forward(self, x: Tensor) -> Tensor:
        """(P, D) -> (P, D)."""
        return x + self.mlp(self.norm(x))


class Student(nn.Module):
    """3,078,648,320 parameters on Qwen3-4B with its 36 layers; 986,667,520 with 8."""

    def __init__(self, model: PreTrainedModel, *, depth: int, layer: int = -1) -> None:
        """Modules shaped like those of ``model``, which is neither stored nor changed.

        Args:
            model: the frozen backbone.
            depth: number of blocks.
            layer: which layer of the backbone the input comes from, for whoever runs the student.

        Raises:
            InvalidInput: a depth below one, or layers without one plain MLP.
        """
        super().__init__()
        if depth < 1:
            raise InvalidInput(f"depth is {depth}; the student needs at least 1 block")
        decoder = model.get_decoder()
        like = decoder_layers(model)[layer]
        if not hasattr(getattr(like, "mlp", None), "down_proj"):
            raise InvalidInput(
                f"a layer of {type(decoder).__name__} has no plain MLP to build the student from"
            )
        table = embedding_weight(model)
        self.layer = layer
        self.blocks = nn.ModuleList(
            Block(_unshared(decoder.norm), _unshared(like.mlp)) for _ in range(depth)
        )
        self.norm = _unshared(decoder.norm)
        self.head = nn.Linear(table.shape[1], table.shape[0], bias=False, device=table.device)

    @torch.no_grad()
    def initialise(self, model: PreTrainedModel, *, start: str, seed: int) -> Student:
        """Start values.

        Args:
            model: the frozen backbone.
            start: ``scratch``: normal with the backbone's own initializer range, neutral norms;
                ``copy``: the MLPs, norms and head of its last layers.
            seed: of ``scratch``.
        """
        check_choice("method.learner.start", start, STARTS)
        generator = torch.Generator().manual_seed(seed)
        spread = model.config.get_text_config().initializer_range
        neutral = _neutral_norm(model.get_decoder().norm)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                values = torch.randn(module.weight.shape, generator=generator)
                module.weight.copy_(values * spread)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        for block in [*self.blocks, self]:
            block.norm.weight.fill_(neutral)
        if start == "copy":
            self._copy(model)
        return self

    def _copy(self, model: PreTrainedModel) -> None:
        decoder = model.get_decoder()
        layers = decoder.layers[-len(self.blocks) :]
        for block, layer in zip(self.blocks[-len(layers) :], layers, strict=True):
            assert isinstance(block, Block)
            block.mlp.load_state_dict(layer.mlp.state_dict())
            before = getattr(layer, "pre_feedforward_layernorm", layer.post_attention_layernorm)
            block.norm.load_state_dict(before.state_dict())
        self.norm.load_state_dict(decoder.norm.state_dict())
        self.head.weight.copy_(model.get_output_embeddings().weight)

    def forward(self, hidden: Tensor) -> Tensor:
        """Logits (P, V) of hidden states (P, D)."""
        x = hidden.float()
        for block in self.blocks:
            x = block(x)
        logits: Tensor = self.head(self.norm(x))
        return logits

    @property
    def parameter_count(self) -> int:
        """Norms included."""
        return sum(p.numel() for p in self.parameters())


def _unshared(module: nn.Module) -> nn.Module:
    """A module of the same shape with weights of its own, which are trained."""
    return copy.deepcopy(module).float().requires_grad_(True)


def _neutral_norm(norm: Any) -> float:
    """The weight with which a norm scales by nothing: 1, or 0 where one is added to it."""
    fresh = type(norm)(norm.weight.shape[0], eps=1e-6)
    return float(fresh.weight[0])
