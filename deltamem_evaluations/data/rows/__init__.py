"""Rows of data files: read from any of their forms, and held against one schema per data set."""
