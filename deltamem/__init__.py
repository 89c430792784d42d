"""δ-mem (arXiv 2605.12357): a tiny online memory for a frozen language model.

backbone = load_backbone("Qwen/Qwen3-4B-Instruct-2507")
memory = DeltaMemory(DeltaMemConfig(), backbone.model).initialise(backbone.model, seed=42)
with memory.attach(backbone.model) as attached:
    _, state = attached.forward(history_ids, logits=False)            # write
    output, _ = attached.forward(question_ids, state=state, write=False)   # read
"""

from __future__ import annotations

from deltamem.adapter.delta_memory import DeltaMemory
from deltamem.adapter.files import load_adapter, save_adapter, save_published_adapter
from deltamem.adapter.source import adapter_folder
from deltamem.attachment.attach import Attachment, attach
from deltamem.backbone import Backbone, MemoryCache, load_backbone, load_tiny
from deltamem.layers.config import DeltaMemConfig
from deltamem.state import MemoryState
from deltamem_base.faults import Fault, InvalidInput, Unavailable

__all__ = [
    "Attachment",
    "Backbone",
    "DeltaMemConfig",
    "DeltaMemory",
    "Fault",
    "InvalidInput",
    "MemoryCache",
    "MemoryState",
    "Unavailable",
    "adapter_folder",
    "attach",
    "load_adapter",
    "load_backbone",
    "load_tiny",
    "save_adapter",
    "save_published_adapter",
]
