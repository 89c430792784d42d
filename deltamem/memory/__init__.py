"""Histories into states: write them, watch them being written, keep and inspect what is left."""
