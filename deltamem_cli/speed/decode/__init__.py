"""Decoding, timed."""

from deltamem_cli.speed.decode.decode import figures

__all__ = ["figures"]
