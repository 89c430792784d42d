"""``bench=ifeval``: prompts with instructions that a program can check."""

from evaluations.benchmarks.ifeval.ifeval import IFEval

__all__ = ["IFEval"]
