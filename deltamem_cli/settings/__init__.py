"""Settings: composed, checked and named; the only room that knows Hydra."""
