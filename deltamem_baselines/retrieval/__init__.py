"""Shared by the memories that store text and look some of it up."""
