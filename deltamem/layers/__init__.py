"""Weights of a memory: the configuration, one layer, all layers beside a backbone."""
