"""The bare backbone and the six baselines of the paper, one file each, behind one interface."""
