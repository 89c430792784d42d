"""MemoryAgentBench: its sources, its wording, its samples."""
