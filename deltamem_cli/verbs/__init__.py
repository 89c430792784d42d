"""The arguments of the verbs; what they do is in :mod:`deltamem_cli.commands`."""
