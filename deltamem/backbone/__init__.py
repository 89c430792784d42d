"""The frozen language model: load it, render for it, show it histories, decode from it.

Everything a memory method needs of a backbone, and nothing of any memory but the value that travels
with the KV cache.
"""

from __future__ import annotations

from deltamem.backbone.backbone import Backbone
from deltamem.backbone.batching import fitting_batch
from deltamem.backbone.cache import MemoryCache
from deltamem.backbone.contexts.dropped import DroppedContext
from deltamem.backbone.contexts.truncation import fit_messages
from deltamem.backbone.contexts.visible import VisibleContext
from deltamem.backbone.contexts.windows import split_windows
from deltamem.backbone.generation.answering import answer_prompts, generate
from deltamem.backbone.generation.decoding_loop import Start
from deltamem.backbone.generation.generation import Generation
from deltamem.backbone.generation.next_logits import NextLogits, left_pad
from deltamem.backbone.generation.sampling import check_decoding
from deltamem.backbone.generation.stop_texts import StopTexts
from deltamem.backbone.generation.streaming import TextStream
from deltamem.backbone.inputs import (
    DecodingLike,
    HistoryLike,
    Messages,
    OnAnswer,
    PromptLike,
    system_turn,
    told_by,
    unheard,
)
from deltamem.backbone.loading.architecture import decoder_layers, embedding_weight, empty_model
from deltamem.backbone.loading.dequantised import dequantised
from deltamem.backbone.loading.examination import model_faults
from deltamem.backbone.loading.fingerprint import fingerprint
from deltamem.backbone.loading.held import as_backbone
from deltamem.backbone.loading.load import load_backbone, load_tiny, tiny_folder
from deltamem.backbone.loading.pretrained import load_config, load_tokenizer, pretrained_model
from deltamem.backbone.loading.soundness import window_of
from deltamem.backbone.loading.weight_files import weight_files
from deltamem.backbone.recomputation import checkpoint_activations
from deltamem.backbone.rendering.chat_template import INSTRUCTIONS_MOVED
from deltamem.backbone.rendering.rendering import Rendered, render, render_history
from deltamem.backbone.rendering.template_date import TEMPLATE_DATE

__all__ = [
    "INSTRUCTIONS_MOVED",
    "TEMPLATE_DATE",
    "Backbone",
    "DecodingLike",
    "DroppedContext",
    "Generation",
    "HistoryLike",
    "MemoryCache",
    "Messages",
    "NextLogits",
    "OnAnswer",
    "PromptLike",
    "Rendered",
    "Start",
    "StopTexts",
    "TextStream",
    "VisibleContext",
    "answer_prompts",
    "as_backbone",
    "check_decoding",
    "checkpoint_activations",
    "decoder_layers",
    "dequantised",
    "embedding_weight",
    "empty_model",
    "fingerprint",
    "fit_messages",
    "fitting_batch",
    "generate",
    "left_pad",
    "load_backbone",
    "load_config",
    "load_tiny",
    "load_tokenizer",
    "model_faults",
    "pretrained_model",
    "render",
    "render_history",
    "split_windows",
    "system_turn",
    "tiny_folder",
    "told_by",
    "unheard",
    "weight_files",
    "window_of",
]
