"""MemoryBank: turns and summaries by day, recalled by dense vectors, and forgotten."""
