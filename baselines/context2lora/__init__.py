"""Context2LoRA: low-rank adapters as the memory, trained once or for each history."""
