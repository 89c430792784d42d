"""LLMLingua-2: a shorter history in view."""
