"""Scores of one answer, and statistics over many."""
