"""Decoding, timed."""

from deltamem_cli.speed.decode.decode import cpu_figures, figures

__all__ = ["cpu_figures", "figures"]
