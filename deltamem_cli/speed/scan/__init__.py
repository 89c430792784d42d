"""The delta rule over many tokens, timed."""

from deltamem_cli.speed.scan.scan import cpu_figures, figures

__all__ = ["cpu_figures", "figures"]
