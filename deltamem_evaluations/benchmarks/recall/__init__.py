"""``bench=recall``: dialogues made from a seed, and questions about who is where."""

from deltamem_evaluations.benchmarks.recall.recall import Recall, training_dialogue

__all__ = ["Recall", "training_dialogue"]
