"""Files of others that a verb needs and this package does not hold: fetched once, checked, kept."""
