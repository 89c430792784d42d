"""MemoryBank: turns and summaries by day, recalled by dense vectors, and forgotten."""

from baselines.memorybank.days import Segmentation
from baselines.memorybank.forgetting import Forgetting
from baselines.memorybank.memorybank import MemoryBank

__all__ = ["Forgetting", "MemoryBank", "Segmentation"]
