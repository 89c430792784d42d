"""State hygiene: does anything leak between samples, or from a reference into a prompt?"""
