"""A composed config as one frozen, typed value for each kind of run; nothing else reads it."""

from deltamem_cli.runs.requests.backbone import BackboneRequest
from deltamem_cli.runs.requests.chat import ChatRequest
from deltamem_cli.runs.requests.demo import DemoRequest, Scene
from deltamem_cli.runs.requests.evaluation import Control, EvaluationRequest
from deltamem_cli.runs.requests.fetching import FetchRequest
from deltamem_cli.runs.requests.harness import HarnessRequest
from deltamem_cli.runs.requests.method import MethodRequest
from deltamem_cli.runs.requests.pretraining import PretrainingRequest
from deltamem_cli.runs.requests.scoring import ScoringRequest
from deltamem_cli.runs.requests.serving import ServingRequest
from deltamem_cli.runs.requests.training import TrainingRequest
from deltamem_cli.runs.requests.weights import WeightsRequest

__all__ = [
    "BackboneRequest",
    "ChatRequest",
    "Control",
    "DemoRequest",
    "EvaluationRequest",
    "FetchRequest",
    "HarnessRequest",
    "MethodRequest",
    "PretrainingRequest",
    "Scene",
    "ScoringRequest",
    "ServingRequest",
    "TrainingRequest",
    "WeightsRequest",
]
