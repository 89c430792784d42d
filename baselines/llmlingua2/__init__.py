"""LLMLingua-2: a shorter history in view."""

from baselines.llmlingua2.llmlingua2 import LLMLingua2

__all__ = ["LLMLingua2"]
