"""Shared by the memories that mix into the backbone's next-token distribution."""
