"""Shared by the memories that are trained: low-rank branches, weight folders, episodes."""
