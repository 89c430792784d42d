"""The benchmarks, one file or folder each."""
