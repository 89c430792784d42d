"""A language model that judges stored answers, by the benchmarks' own prompts."""
