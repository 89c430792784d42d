"""Adapters as files: folders of ours and of the authors, their card, where they are on the hub."""
