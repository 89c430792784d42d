"""Run by test_fused.py where Triton emulates a GPU: how far every case is from torch."""

from __future__ import annotations

import itertools
import json
import os
import sys

import torch
from single_tokens import HIDDEN, SETTINGS, difference, layer_of, token_and_state

from deltamem import DeltaMemConfig, DeltaMemory, load_tiny
from deltamem.delta_rule import VARIABLE
from deltamem.delta_rule.single_token import FusedStep, single_step

AT_ONCE = 128
"""So little that every product takes several turns, the last not whole, and steering tiles."""
PROMPT, NEW = 6, 3


def settings_agree() -> dict[str, float]:
    found = {}
    for settings in SETTINGS:
        layer = layer_of(**settings)
        step = FusedStep(layer, at_once=AT_ONCE)
        plan = step._plan
        assert HIDDEN % plan.write_columns
        assert plan.write_columns < HIDDEN
        cases = [(3, True, True), (1, True, False)]
        cases += [] if settings else [(3, False, True), (3, False, False)]
        for batch, write, padded in cases:
            name = f"{settings} batch={batch} write={write} padded={padded}"
            found[name] = difference(step, layer, batch=batch, write=write, padded=padded)
    return found


@torch.no_grad()
def small_numbers() -> float:
    """Projections near zero, whose unit vectors need every digit of tanh."""
    layer, (hidden, state) = layer_of(), token_and_state(layer_of(), batch=1)
    worst = 0.0
    for size in (1e-6, 1e-4, 1e-2, 0.1, 0.3):
        after, corrections = FusedStep(layer)(hidden * size, state, valid=None, write=True)
        wanted = layer(hidden * size, state, valid=None, segments=None, write=True)
        worst = max(worst, float((after - wanted.state).abs().max()))
        for head, got in corrections.items():
            steered = layer.steer(head, layer.scaled(wanted.reads))
            worst = max(worst, float((got - steered).abs().max()))
    return worst


@torch.no_grad()
def dtypes() -> dict[str, float]:
    """How far corrections in the hidden vectors' dtype are from those in float32, in its steps."""
    layer = layer_of()
    step, (hidden, state) = FusedStep(layer), token_and_state(layer_of(), batch=2)
    found = {}
    for dtype in (torch.bfloat16, torch.float16, torch.float64):
        rounded = hidden.to(dtype)
        got, steered = step(rounded, state, valid=None, write=True)
        want, wanted = step(rounded.float(), state, valid=None, write=True)
        assert torch.equal(got, want)
        off = []
        for head, correction in steered.items():
            assert correction.dtype == dtype
            off.append(float(((correction - wanted[head]) / wanted[head]).abs().max()))
        found[str(dtype)] = max(off) / torch.finfo(dtype).eps
    return found


@torch.no_grad()
def weights_may_change() -> float:
    layer = layer_of()
    step = FusedStep(layer)
    worst = difference(step, layer, batch=1, write=True)
    layer.memory_q_proj.mul_(-1.0)
    layer.delta_q_proj.mul_(2.0)
    return max(worst, difference(step, layer, batch=1, write=True))


def decoded(form: str) -> tuple[list[int], dict[int, torch.Tensor], bool]:
    """Greedy tokens of a tiny model whose one layer has a memory; second row left-padded."""
    os.environ[VARIABLE] = form
    model = load_tiny().model
    memory = DeltaMemory(DeltaMemConfig(layers=(1,)), model).initialise(model, seed=0)
    served = single_step(memory.layer(1)) is not None
    ids = torch.arange(2 * PROMPT).view(2, PROMPT) % 90 + 5
    mask = torch.ones_like(ids)
    mask[1, :2] = 0
    made = []
    with memory.attach(model) as attached, torch.no_grad():
        os.environ[VARIABLE] = "torch"
        output = attached.model(ids, attention_mask=mask, use_cache=True)
        os.environ[VARIABLE] = form
        for turn in range(NEW):
            token = output.logits[:, -1:].argmax(-1)
            made.append(token.tolist())
            # in the last turn a row that has finished is masked, which no CPU is asked to serve
            ended = torch.tensor([[1], [turn + 1 < NEW]], dtype=mask.dtype)
            mask = torch.cat([mask, ended], dim=1)
            past = output.past_key_values
            output = attached.model(token, attention_mask=mask, past_key_values=past)
        assert attached.last is not None
        return list(itertools.chain(*made)), attached.last.after().layers, served


def main() -> None:
    tokens, states, served = decoded("triton")
    wanted, wanted_states, other = decoded("torch")
    found = {
        "settings": settings_agree(),
        "small": small_numbers(),
        "changed": weights_may_change(),
        "dtypes": dtypes(),
        "served": [served, other],
        "tokens": [tokens, wanted],
        "decoded": float((states[1] - wanted_states[1]).abs().max()),
    }
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
