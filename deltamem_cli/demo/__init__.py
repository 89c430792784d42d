"""The runs and tables of ``deltamem demo``."""
