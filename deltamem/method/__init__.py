"""δ-mem as a method that is evaluated."""
