"""Which step serves where."""

from __future__ import annotations

import pytest
from single_tokens import layer_of

from deltamem.delta_rule import VARIABLE, compiling
from deltamem.delta_rule.choice import WIDEST
from deltamem.delta_rule.compiling import compiler
from deltamem.delta_rule.single_token import CompiledStep, single_step, step_form
from deltamem.delta_rule.single_token import compiled as compiled_step
from deltamem.delta_rule.single_token.fused import MOST_READS, fits
from deltamem.writers import MultiStateWriter
from deltamem_base.faults import Unavailable


@pytest.fixture(autouse=True)
def _unnamed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)


@pytest.mark.parametrize(
    ("settings", "form"),
    [
        ({}, "triton"),
        ({"triton": False}, "torch"),
        ({"device": "cpu"}, "cpp"),
        ({"device": "cpu", "compiled": False}, "torch"),
        ({"device": "mps"}, "torch"),
        ({"named": "triton"}, "triton"),
        ({"named": "torch"}, "torch"),
        ({"named": "cpp"}, "torch"),
        ({"named": "cpp", "device": "cpu"}, "cpp"),
        ({"named": "naive", "device": "cpu"}, "torch"),
        ({"named": "triton", "device": "cpu"}, "triton"),
        ({"named": "triton", "device": "cpu", "triton": False}, "torch"),
    ],
    ids=str,
)
def test_the_form_follows_from_the_device_and_what_is_named(settings, form: str) -> None:
    given = {"device": "cuda", "triton": True, "compiled": True, **settings}
    if given["device"] == "mps":
        given["triton"] = False
    assert step_form(given.pop("device"), **given) == form


@pytest.mark.skipif(compiler() is None, reason="there is no C++ compiler")
def test_a_cpu_gets_the_compiled_step() -> None:
    assert isinstance(single_step(layer_of()), CompiledStep)


def test_other_states_and_devices_go_another_way() -> None:
    assert single_step(layer_of(state_dtype="float64")) is None
    assert single_step(layer_of().to("meta")) is None


@pytest.mark.parametrize("form", ["torch", "naive", "triton"])
def test_another_form_that_is_named_is_not_passed_over(
    form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, form)
    assert single_step(layer_of()) is None


def test_what_fits_the_registers_of_a_program() -> None:
    for states, rank in ((1, 8), (4, 8), (1, WIDEST), (MOST_READS // WIDEST, WIDEST), (3, 5)):
        assert fits(layer_of(rank=rank, writer=MultiStateWriter(num_states=states)).shape)
    for states, rank in ((1, WIDEST + 1), (1 + MOST_READS // WIDEST, WIDEST)):
        assert not fits(layer_of(rank=rank, writer=MultiStateWriter(num_states=states)).shape)


def test_without_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    caches = (compiled_step._library, compiling.can_load, compiling.load_library)
    for cached in caches:
        cached.cache_clear()
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    try:
        assert single_step(layer_of()) is None
        monkeypatch.setenv(VARIABLE, "cpp")
        with pytest.raises(Unavailable, match="needs a C\\+\\+ compiler"):
            single_step(layer_of())
    finally:
        for cached in caches:
            cached.cache_clear()
