"""The verbs: a file for each, named as it is, with its arguments and what it does."""
