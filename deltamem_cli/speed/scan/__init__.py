"""The delta rule over many tokens, timed."""
