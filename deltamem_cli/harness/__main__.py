"""``python -m deltamem_cli.harness``."""

from deltamem_cli.harness.command import main

main()
