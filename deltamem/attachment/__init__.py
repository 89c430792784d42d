"""Memory on, memory off: overridden forwards for the length of a ``with``."""
