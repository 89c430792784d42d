"""A config becomes one typed value; what its parts have no place for is one sentence."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from deltamem_cli.errors import UsageError
from deltamem_cli.runs.requests import EvaluationRequest, TrainingRequest
from deltamem_cli.settings.compose import compose_each
from deltamem_cli.settings.job import run_config


def evaluation(*words: str) -> EvaluationRequest:
    request: EvaluationRequest = run_config("eval", EvaluationRequest.of, words)
    return request


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ["+model.id=some/model"],
            "model.id is not a setting of load_tiny, whose settings here are device, ",
        ),
        (
            ["+method.chunks=3"],
            "method.chunks is not a setting of DeltaMemMethod, whose settings here are ",
        ),
        (
            ["+writer.unit=message"],
            "writer.unit is not a setting of TokenWriter, whose settings here are none",
        ),
    ],
)
def test_a_setting_that_the_choice_has_no_place_for(words: list[str], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        evaluation(*words)


def test_a_request_is_plain_typed_and_frozen() -> None:
    request = evaluation("limit=3", "control=zero", "adapter=folder", "results_dir=null")
    assert (request.limit, request.results, request.seed) == (3, None, 0)
    assert (request.control.name, request.control.state) == ("zero", "zero")
    assert (request.weights.adapter, request.weights.needs_adapter) == ("folder", True)
    assert request.deciding["control.state"] == "zero"
    assert "runs_dir" not in request.recorded
    with pytest.raises(FrozenInstanceError):
        request.seed = 1  # type: ignore[misc]


@pytest.mark.parametrize(("method", "has_memory"), [("delta_mem", True), ("context2lora", False)])
def test_a_training_has_the_memory_of_its_method(method: str, has_memory: bool) -> None:
    (composed,) = compose_each("train", [[f"method={method}"]])
    request = TrainingRequest.of(composed)
    assert (request.memory is not None) is has_memory
    assert request.recipe.steps == composed.tree["training"]["steps"]
