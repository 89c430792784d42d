"""What every package stands on: faults in one sentence, files that are written whole."""
