"""Speed as ratios between things that are timed in turn, in one process."""
