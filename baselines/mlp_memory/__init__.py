"""MLP Memory: a student of a retriever, trained before it sees a history."""

from baselines.mlp_memory.mlp_memory import MLPMemory
from baselines.mlp_memory.training import MLPMemoryLearner

__all__ = ["MLPMemory", "MLPMemoryLearner"]
