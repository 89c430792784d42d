"""``bench=recall``: dialogues made from a seed, and questions about who is where."""
