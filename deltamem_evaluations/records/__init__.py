"""Records of runs and the answers behind them: typed, written whole, with their provenance."""
