"""Data files: where they are, how they are fetched, and what their rows hold."""
