"""``bench=facts``: what people say of themselves and others in a chat, and questions about it."""

from deltamem_evaluations.benchmarks.facts.dialogues import fact_dialogue
from deltamem_evaluations.benchmarks.facts.facts import Facts, FactsSample

__all__ = ["Facts", "FactsSample", "fact_dialogue"]
