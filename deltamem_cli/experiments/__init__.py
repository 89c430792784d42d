"""An experiment: a table of cells, each a training and an evaluation known by their content."""

from deltamem_cli.experiments.jobs import Job, Outcome, run_missing
from deltamem_cli.experiments.plan import Cell, Plan, make_plan

__all__ = ["Cell", "Job", "Outcome", "Plan", "make_plan", "run_missing"]
