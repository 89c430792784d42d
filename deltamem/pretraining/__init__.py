"""The making of the embedded backbone: a tokenizer, a curriculum, a small Qwen3 (see README.md)."""

from __future__ import annotations

from deltamem.pretraining.curriculum import Curriculum, DialogueSource, TokenSequence
from deltamem.pretraining.learner import BackboneConfig, BackboneLearner, new_backbone
from deltamem.pretraining.tokenizer import build_tokenizer

__all__ = [
    "BackboneConfig",
    "BackboneLearner",
    "Curriculum",
    "DialogueSource",
    "TokenSequence",
    "build_tokenizer",
    "new_backbone",
]
