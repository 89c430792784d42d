"""The weights of an adapter: one memory per attention layer, beside a backbone's shapes."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import nn

from deltamem.backbone.digest import tensors_sha
from deltamem.backbone.loading.architecture import decoder_layers
from deltamem.backbone.loading.quantization import dense_weight
from deltamem.layers.config import DeltaMemConfig
from deltamem.layers.depth import layer_indices, name_of_layers
from deltamem.layers.memory_layer import LayerMemory
from deltamem.state import MemoryState
from deltamem_base.faults import InvalidInput

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["MemoryLayers"]


class MemoryLayers(nn.Module):
    """All layers' memories for one backbone architecture.

    ``layers`` maps the index of a decoder layer, as a string, to its :class:`LayerMemory`. The
    backbone itself is not a part of this module: it is neither stored, nor frozen, nor changed.
    """

    def __init__(
        self,
        config: DeltaMemConfig,
        model: PreTrainedModel,
        *,
        device: torch.device | str | None = None,
    ) -> None:
        """Empty weights of the right shapes beside ``model``; see :meth:`initialise`.

        Args:
            config: of the adapter.
            model: the backbone.
            device: of the weights; None: that of the attention that each is beside.

        Raises:
            InvalidInput: an attention without separate projections, or a layer that is not there.
        """
        super().__init__()
        depth = len(decoder_layers(model))
        if isinstance(config.layers, str):
            config = replace(config, layers=layer_indices(config.layers, depth=depth))
        self.config, self.depth = config, depth
        self.identity = f"unsaved-{uuid.uuid4().hex[:12]}"
        self.layers = nn.ModuleDict()
        for index, attention in self.attentions(model):
            weight = attention.q_proj.weight
            self.layers[str(index)] = LayerMemory(
                config,
                attention.q_proj.in_features,
                outputs={h: getattr(attention, f"{h}_proj").out_features for h in config.heads},
                device=weight.device if device is None else device,
            )

    def initialise(self, model: PreTrainedModel, *, seed: int) -> Self:
        """Start values (mechanism of the published code), a function of ``seed`` alone."""
        generator = torch.Generator().manual_seed(seed)
        for index, attention in self.attentions(model):
            layer = self.layer(index)
            base = {h: dense_weight(getattr(attention, f"{h}_proj")) for h in self.config.heads}
            device = layer.beta_bias.device
            layer.cpu().initialise(base, generator=generator)
            layer.to(device)
        return self

    def beside(self, model: PreTrainedModel) -> Self:
        """The weights of each layer on the device of its attention."""
        for index, attention in self.attentions(model):
            self.layer(index).to(attention.q_proj.weight.device)
        return self

    def layer(self, index: int) -> LayerMemory:
        """The memory of decoder layer ``index``."""
        layer = self.layers[str(index)]
        assert isinstance(layer, LayerMemory)
        return layer

    def attentions(self, model: PreTrainedModel) -> Iterator[tuple[int, Any]]:
        """The attention modules that have (or are to have) a memory, with their layer index."""
        layers = decoder_layers(model)
        for index in layer_indices(self.config.layers, depth=len(layers)):
            attention = getattr(layers[index], "self_attn", None)
            needed = ("q_proj", "o_proj", *(f"{head}_proj" for head in self.config.heads))
            missing = [name for name in needed if not hasattr(attention, name)]
            if attention is None or missing:
                raise InvalidInput(
                    f"layer {index} of {type(model).__name__} has no separate "
                    f"{', '.join(missing)} in self_attn; δ-mem cannot steer this architecture"
                )
            yield index, attention

    def zeros(self, batch: int) -> MemoryState:
        """The empty state of ``batch`` sequences."""
        n, r, dtype = self.config.writer.num_states, self.config.rank, self.config.torch_state_dtype
        return MemoryState(
            {
                int(i): torch.zeros(
                    batch, n, r, r, dtype=dtype, device=self.layer(int(i)).beta_bias.device
                )
                for i in self.layers
            },
            self.identity,
        )

    @property
    def placement(self) -> dict[str, str]:
        """Steered projections and layers with a memory, as a record says them."""
        indices = [int(index) for index in self.layers]
        return {
            "heads": "".join(self.config.heads),
            "layers": name_of_layers(indices, depth=self.depth),
        }

    @property
    def trained_parameters(self) -> int:
        """Number of trained values: 4,866,336 on Qwen3-4B with the defaults."""
        return sum(p.numel() for p in self.parameters())

    @property
    def sha(self) -> str:
        """sha256 over all weights in their order of names: what the adapter is."""
        return tensors_sha(self.state_dict())
