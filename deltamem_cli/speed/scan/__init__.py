"""The delta rule over many tokens, timed."""

from deltamem_cli.speed.scan.scan import figures

__all__ = ["figures"]
