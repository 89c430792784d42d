"""What a verb or an experiment runs: an evaluation, a training."""
