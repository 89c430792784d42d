"""How fast it is: ratios between things that are timed in turn, in one process."""
