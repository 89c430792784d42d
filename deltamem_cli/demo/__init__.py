"""The runs and tables of ``deltamem demo``, on the embedded backbone."""
