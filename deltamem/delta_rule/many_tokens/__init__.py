"""Forms of the recurrence for many tokens at once."""
