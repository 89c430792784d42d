"""``bench=memory_agent_bench``: its sources, its wording, its samples."""

from deltamem_evaluations.benchmarks.memory_agent_bench.memory_agent_bench import MemoryAgentBench

__all__ = ["MemoryAgentBench"]
