"""Benchmarks, the loop that runs any method on them, and what comes out."""
