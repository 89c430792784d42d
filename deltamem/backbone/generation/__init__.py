"""Decoding, greedy or sampled, and the text that streams out of it."""
