"""A conversation with a backbone and its memory."""
