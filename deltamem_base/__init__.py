"""The base of every package: faults in one sentence, files that are written whole."""
