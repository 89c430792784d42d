"""Training: write a context, drop it, answer from the state alone (paper, equation 17)."""

from __future__ import annotations

from deltamem.training.alone import only_run
from deltamem.training.checkpoint import Checkpoints
from deltamem.training.delta_mem_learner import DeltaMemLearner
from deltamem.training.episodes import (
    Ask,
    Episode,
    Episodes,
    episodes_sha,
    joined_by_history,
    parse_episode,
)
from deltamem.training.learner import Learner
from deltamem.training.loop import train
from deltamem.training.monitor import MemoryMonitor, Monitor
from deltamem.training.processes import Processes, shard
from deltamem.training.recipe import TrainingConfig
from deltamem.training.report import StepReport
from deltamem.training.step_log import StepLog
from deltamem.training.token_store import tokenise

__all__ = [
    "Ask",
    "Checkpoints",
    "DeltaMemLearner",
    "Episode",
    "Episodes",
    "Learner",
    "MemoryMonitor",
    "Monitor",
    "Processes",
    "StepLog",
    "StepReport",
    "TrainingConfig",
    "episodes_sha",
    "joined_by_history",
    "only_run",
    "parse_episode",
    "shard",
    "tokenise",
    "train",
]
