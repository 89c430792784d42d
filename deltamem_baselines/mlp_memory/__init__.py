"""MLP Memory: a student of a retriever, trained before it sees a history."""

from deltamem_baselines.mlp_memory.mlp_memory import MLPMemory
from deltamem_baselines.mlp_memory.training import MLPMemoryLearner

__all__ = ["MLPMemory", "MLPMemoryLearner"]
