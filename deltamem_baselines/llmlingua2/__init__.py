"""LLMLingua-2: a shorter history in view."""

from deltamem_baselines.llmlingua2.llmlingua2 import LLMLingua2
from deltamem_baselines.llmlingua2.training import CompressorLearner

__all__ = ["CompressorLearner", "LLMLingua2"]
