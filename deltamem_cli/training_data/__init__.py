"""Training data: what the configs of ``training=`` name, one source per file."""

from __future__ import annotations

from deltamem_cli.training_data.chat import ChatData
from deltamem_cli.training_data.facts import FactsData
from deltamem_cli.training_data.jsonl import JsonlData
from deltamem_cli.training_data.qasper import QasperData
from deltamem_cli.training_data.recall import RecallData
from deltamem_cli.training_data.squad import SquadData
from deltamem_cli.training_data.training_data import TrainingData

__all__ = [
    "ChatData",
    "FactsData",
    "JsonlData",
    "QasperData",
    "RecallData",
    "SquadData",
    "TrainingData",
]
