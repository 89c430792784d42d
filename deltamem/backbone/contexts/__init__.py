"""Histories in view or out of it, and how long ones are shortened or cut into windows."""
