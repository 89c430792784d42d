"""Runs, started by a verb or an experiment: an evaluation, a training."""
