"""Printing: the console, tables of memories, previews."""
