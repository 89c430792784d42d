"""Whatever else overrides a module's forward, before or within the block, keeps its place."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from accelerate.hooks import ModelHook, add_hook_to_module, remove_hook_from_module
from torch import nn
from transformers import DynamicCache

from deltamem import DeltaMemConfig, DeltaMemory, InvalidInput
from deltamem.attachment.forwards import PASS
from deltamem.attachment.overriding import overridden

IDS = torch.arange(9)[None] + 5


def memory_for(model: Any) -> DeltaMemory:
    """An adapter whose steering is seen."""
    config = DeltaMemConfig(init="random", init_gain=5.0, beta_bias_init=2.0)
    return DeltaMemory(config, model).initialise(model, seed=0)


@pytest.fixture(autouse=True)
def _without_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


class Counting(ModelHook):
    """As accelerate's own hooks, which override ``forward`` too."""

    def __init__(self) -> None:
        self.calls = 0

    def pre_forward(self, module: Any, *args: Any, **kwargs: Any) -> Any:
        self.calls += 1
        return args, kwargs


def test_forwards_come_back_in_reverse() -> None:
    module = nn.Linear(2, 2)
    x = torch.ones(1, 2)
    plain = module(x)

    def forwards() -> Iterator[tuple[nn.Module, Callable[..., Any]]]:
        for change in (lambda y: 2 * y, lambda y: y + 1):
            yield module, lambda x, own=module.forward, change=change: change(own(x))

    with overridden(forwards()):
        assert torch.equal(module(x), 2 * plain + 1)
    assert torch.equal(module(x), plain)
    assert "forward" not in vars(module)


def test_what_was_before_comes_back_though_making_the_next_one_fails() -> None:
    module = nn.Linear(2, 2)
    before = module.forward = lambda x: x

    def forwards() -> Any:
        yield module, lambda x: 2 * x
        raise RuntimeError("the second")

    with pytest.raises(RuntimeError, match="the second"), overridden(forwards()):
        pass
    assert module.forward is before


def test_accelerates_hooks_run_within_and_stay(make_model: Callable[..., Any]) -> None:
    model = make_model("qwen3")
    memory = memory_for(model)
    with memory.attach(model):
        wanted = model(IDS).logits
    hook = Counting()
    for module in (model.model, *(layer.self_attn.q_proj for layer in model.model.layers)):
        add_hook_to_module(module, hook)
    with memory.attach(model):
        assert torch.equal(model(IDS).logits, wanted)
    counted = hook.calls
    assert counted == 1 + len(model.model.layers)
    model(IDS)
    assert hook.calls == 2 * counted
    for module in model.modules():
        remove_hook_from_module(module)


def test_one_that_stays_on_top_leaves_a_memory_that_is_silent(
    make_model: Callable[..., Any],
) -> None:
    model = make_model("qwen3")
    bare, memory = model(IDS).logits, memory_for(model)
    hook = Counting()
    with memory.attach(model):
        wanted = model(IDS).logits
        for module in (model.model, model.model.layers[0].self_attn):
            add_hook_to_module(module, hook)
        with pytest.raises(InvalidInput, match="already attached to this backbone"):
            memory.attach(model).__enter__()
        assert torch.equal(model(IDS).logits, wanted)
    assert hook.calls == 2
    output = model(IDS, use_cache=True)
    assert torch.equal(output.logits, bare)
    assert type(output.past_key_values) is DynamicCache
    assert hook.calls == 4
    with memory.attach(model):
        assert torch.equal(model(IDS).logits, wanted)


def test_what_puts_back_an_older_forward_is_noticed(make_model: Callable[..., Any]) -> None:
    model = make_model("qwen3")
    attention = model.model.layers[1].self_attn
    add_hook_to_module(attention, Counting())
    with memory_for(model).attach(model):
        remove_hook_from_module(attention)
        with pytest.raises(InvalidInput, match="a layer ran without its memory"):
            model(IDS)


def test_a_second_memory_is_refused_whatever_lies_on_top(make_model: Callable[..., Any]) -> None:
    model = make_model("qwen3")
    with memory_for(model).attach(model):
        inner = model.model.forward
        model.model.forward = lambda *args, **kwargs: inner(*args, **kwargs)
        with pytest.raises(InvalidInput, match="already attached to this backbone"):
            memory_for(model).attach(model).__enter__()
    with memory_for(model).attach(model):
        pass


def test_a_copy_of_an_attached_model_is_its_own(make_model: Callable[..., Any]) -> None:
    model = make_model("qwen3")
    memory = memory_for(model)
    with memory.attach(model):
        cache = model(IDS).past_key_values
        wanted = model(IDS[:, :1], past_key_values=cache).logits  # makes what serves single tokens
        twin = copy.deepcopy(model)
        first = twin(IDS)
        assert torch.equal(twin(IDS[:, :1], past_key_values=first.past_key_values).logits, wanted)
        with torch.no_grad():
            for weight in twin.parameters():
                weight.zero_()
        assert not twin(IDS).logits.any()
        assert model(IDS).logits.any()


def test_the_pass_reaches_no_attention(make_model: Callable[..., Any]) -> None:
    model = make_model("qwen3")
    config = DeltaMemConfig(layers=(1,))
    seen: list[set[str]] = []

    def noting(inner: Callable[..., Any]) -> Callable[..., Any]:
        def forward(*args: Any, **kwargs: Any) -> Any:
            seen.append(set(kwargs))
            return inner(*args, **kwargs)

        return forward

    attentions = [layer.self_attn for layer in model.model.layers]
    with (
        overridden([(module, noting(module.forward)) for module in attentions]),
        DeltaMemory(config, model).initialise(model, seed=0).attach(model),
    ):
        model(IDS)
    assert len(seen) == len(attentions) > 1
    assert not any(PASS in names for names in seen)
