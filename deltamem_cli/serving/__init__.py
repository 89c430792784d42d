"""An OpenAI-compatible server whose sessions have a memory each."""
