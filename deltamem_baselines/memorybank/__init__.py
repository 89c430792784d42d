"""MemoryBank: turns and summaries by day, recalled by dense vectors, and forgotten."""

from deltamem_baselines.memorybank.days import Segmentation
from deltamem_baselines.memorybank.forgetting import Forgetting
from deltamem_baselines.memorybank.memorybank import MemoryBank

__all__ = ["Forgetting", "MemoryBank", "Segmentation"]
