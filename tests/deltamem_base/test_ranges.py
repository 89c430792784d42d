"""Every number of every yaml has its range, and what lies outside is one sentence, exit code 2."""

from __future__ import annotations

import math
from copy import deepcopy
from typing import Annotated, Any, Literal

import pytest
from annotated_types import Ge, Interval
from hypothesis import given
from hypothesis import strategies as st
from test_conf import CASES, NEEDED
from test_conf import composed as compose

from deltamem import DeltaMemConfig, InvalidInput
from deltamem.training import TrainingConfig
from deltamem.writers import MultiStateWriter
from deltamem_base.ranges import fault_of, range_of
from deltamem_cli.errors import UsageError
from deltamem_cli.settings.composed import leaves
from deltamem_cli.settings.instantiate import check_types, settings_with_types

ANY_NUMBER = ("memory.beta_bias_init", "method.learner.layer", "model.memory_layers")
"""Any finite number will do: a bias, and layers, counted from either end or listed."""
OF_NO_RUN = ("model.architecture.",)
"""Numbers for counts without the weights; nothing is computed with them."""
WHOLE = [("pretrain", "", ""), ("demo", "", ""), ("chat", "", ""), ("serve", "", "")]


def composed(primary: str, group: str, option: str) -> dict[str, Any]:
    words = [f"{group}={option}", *NEEDED.get(f"{group}={option}", [])] if group else []
    return deepcopy(dict(compose(primary, *words).tree))


def numbers(value: Any) -> bool:
    parts = value if isinstance(value, list) else [value]
    return any(isinstance(v, int | float) and not isinstance(v, bool) for v in parts)


@pytest.mark.parametrize(("primary", "group", "option"), [*CASES, *WHOLE], ids=str)
def test_every_number_has_a_range(primary: str, group: str, option: str) -> None:
    tree = composed(primary, group, option)
    ranges = {key: range_of(kind) for key, _, kind in settings_with_types(tree)}
    for key, value in leaves(tree):
        if numbers(value) and not key.startswith(OF_NO_RUN):
            assert ranges.get(key) or key in ANY_NUMBER, key


@pytest.mark.parametrize(("primary", "group", "option"), [*CASES, *WHOLE], ids=str)
def test_no_number_may_be_infinite_or_a_truth_value(primary: str, group: str, option: str) -> None:
    tree = composed(primary, group, option)
    check_types(tree)
    for key, value, kind in settings_with_types(tree):
        if isinstance(value, int | float) and not isinstance(value, bool):
            for bad in (math.nan, math.inf, -math.inf, True, "1", [], {}):
                assert fault_of(kind, bad), (key, bad)


BAD = [
    ("train", "training.warmup=100", "training.warmup is 100; it must be at least 0 and at most 1"),
    ("train", "training.warmup=2", "at most 1"),
    ("train", "training.evaluate_every=0", "training.evaluate_every is 0; it must be at least 1"),
    ("train", "training.checkpoint_every=0", "at least 1"),
    ("train", "training.checkpoint_every=-1", "at least 1"),
    ("train", "training.learning_rate=-1", "training.learning_rate is -1; it must be above 0"),
    (
        "train",
        "training.learning_rate=inf",
        "training.learning_rate is inf; it must be finite, and above 0",
    ),
    ("train", "training.learning_rate=nan", "training.learning_rate is nan"),
    ("train", "training.final_learning_rate=-1", "at least 0 and at most 1"),
    ("train", "training.steps=true", "training.steps is True: input should be a valid integer"),
    ("train", "training.steps=1e3", "training.steps is 1000.0: input should be a valid integer"),
    ("train", "training.data.held_out=-1", "training.data.held_out is -1; it must be at least 0"),
    (
        "train",
        "memory.layers=[]",
        "memory.layers is []; it must be 1 or more values, each at least",
    ),
    ("train", "memory.layers=[-1]", "memory.layers is [-1]"),
    (
        "train",
        "memory.beta_bias_init=inf",
        "memory.beta_bias_init is inf: input should be a finite number",
    ),
    ("train", "memory.rank=0", "memory.rank is 0; it must be at least 1"),
    ("train", "steer.heads=[]", "it must be 1 or more values"),
    ("train", "seed=-1", "seed is -1; it must be at least 0"),
    ("train", "tracker.memory_every=0", "tracker.memory_every is 0; it must be at least 1"),
    (
        "eval",
        "bench.facts=[300]",
        "bench.facts is [300]; it must be 1 or more values, each at least",
    ),
    ("eval", "bench.facts=[]", "bench.facts is []"),
    ("eval", "bench.max_new_tokens=0", "bench.max_new_tokens is 0; it must be at least 1"),
    ("eval", "limit=true", "limit is True"),
    ("eval", "limit=0", "limit is 0; it must be at least 1, or null"),
    ("eval", "method.window=0", "method.window is 0; it must be at least 1, or null"),
    ("eval", "runtime.batch_size=0", "runtime.batch_size is 0; it must be at least 1, or auto"),
    ("eval", "runtime.batch_size=many", "runtime.batch_size is 'many'; it must be at least 1, or"),
    ("ablate", "seeds=[]", "seeds is []; it must be 1 or more values, each at least 0"),
    ("ablate", "only=[]", "only is []; it must be 1 or more values"),
    ("chat", "decoding.top_p=0", "decoding.top_p is 0; it must be above 0 and at most 1"),
    ("demo", "table=true", "table is True; it must be 1, or null"),
    ("eval", "runs_dir=''", "runs_dir is ''; it must be text that is not empty"),
    ("eval", "results_dir=''", "results_dir is ''; it must be text that is not empty, or null"),
    ("demo", "dialogues=-1", "dialogues is -1; it must be at least 1, or null"),
]


@pytest.mark.parametrize(("primary", "word", "sentence"), BAD, ids=lambda v: str(v)[:30])
def test_bad_values_are_one_sentence(primary: str, word: str, sentence: str) -> None:
    words = [word, "experiment=heads"] if primary == "ablate" else [word]
    with pytest.raises(UsageError) as fault:
        check_types(compose(primary, *words).tree)
    assert sentence in str(fault.value)
    assert "\n" not in str(fault.value)


def test_python_users_get_the_same_sentences() -> None:
    for make, sentence in (
        (lambda: TrainingConfig(warmup=100), "training.warmup is 100; it must be at least 0 and"),
        (lambda: TrainingConfig(learning_rate=math.nan), "training.learning_rate is nan"),
        (lambda: DeltaMemConfig(layers=()), "memory.layers is (); it must be 1 or more"),
        (lambda: DeltaMemConfig(beta_bias_init=math.inf), "memory.beta_bias_init is inf"),
        (lambda: MultiStateWriter(num_states=0), "writer.num_states is 0; it must be at least 1"),
    ):
        with pytest.raises(InvalidInput) as fault:
            make()
        assert sentence in str(fault.value)


NESTED = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


@given(value=NESTED)
def test_a_range_takes_what_lies_in_it_and_nothing_else(value: Any) -> None:
    whole = Annotated[int, Ge(1)] | Literal["auto"] | None
    inside = value is None or value == "auto" or (type(value) is int and value >= 1)
    assert (fault_of(whole, value) is None) is inside
    share = Annotated[float, Interval(ge=0, le=1)]
    within = type(value) in (int, float) and 0 <= value <= 1
    assert (fault_of(share, value) is None) is within
