"""``bench=ifeval``: prompts with instructions that a program can check."""

from deltamem_evaluations.benchmarks.ifeval.ifeval import IFEval

__all__ = ["IFEval"]
