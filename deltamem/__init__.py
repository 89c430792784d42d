"""δ-mem (arXiv 2605.12357): a tiny online memory for a frozen language model.

memory = load_adapter("OWNER/NAME@COMMIT", model, tokenizer)  # of transformers
with memory.attach(model) as attached:
    _, state = attached.forward(history_ids, logits=False)               # write
    output, _ = attached.forward(question_ids, state=state, write=False)  # read
"""

from __future__ import annotations

from deltamem.adapter.delta_memory import DeltaMemory, load_adapter
from deltamem.adapter.files import save_adapter, save_published_adapter
from deltamem.adapter.source import adapter_folder
from deltamem.attachment.attach import Attachment, attach
from deltamem.backbone import (
    Backbone,
    MemoryCache,
    as_backbone,
    load_backbone,
    load_tiny,
    tiny_folder,
)
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
    "as_backbone",
    "attach",
    "load_adapter",
    "load_backbone",
    "load_tiny",
    "save_adapter",
    "save_published_adapter",
    "tiny_folder",
]
