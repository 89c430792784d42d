"""On a GPU: the fused forms against torch, and training and decoding against the CPU."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from scan_inputs import NAMES, close, inputs, with_gradients
from single_tokens import SETTINGS, difference, layer_of, token_and_state

from deltamem import DeltaMemConfig, DeltaMemory, load_tiny
from deltamem.delta_rule import VARIABLE, delta_rule, delta_rule_fused, delta_rule_naive
from deltamem.delta_rule.single_token import FusedStep, single_step
from deltamem.training import Ask, DeltaMemLearner, Episode

DEVICE = "cuda"
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
]

SINGLE = 2e-5
"""float32 against float64, relative to the largest entry (the parity tolerance)."""
HALF = 2.0**-8
"""A gradient rounded to bfloat16, which keeps 8 bits."""
BACKBONE = 1e-3
"""A float32 backbone on a GPU and on a CPU: sums in another order through all layers."""
LENGTHS = (2, 15, 16, 17, 100, 1000)
PROMPT, NEW = 40, 12


@pytest.mark.parametrize("masked", [False, True], ids=["whole", "masked"])
@pytest.mark.parametrize("time", LENGTHS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_fused_equals_the_recurrence(dtype: torch.dtype, time: int, masked: bool) -> None:
    """The same rounded tokens go through both: what differs is arithmetic and rounded gradients."""
    given = {name: x.to(dtype) for name, x in inputs(2, time, 3, 8, seed=time).items()}
    given["state"] = given["state"].float()
    mask = torch.rand(2, time, generator=torch.Generator().manual_seed(1)) > 0.3 if masked else None
    doubled = {name: x.double() for name, x in given.items()}
    wanted = with_gradients(delta_rule_naive, doubled, mask)
    there = None if mask is None else mask.to(DEVICE)
    got = with_gradients(delta_rule_fused, {n: x.to(DEVICE) for n, x in given.items()}, there)
    close(got[0].cpu(), wanted[0], SINGLE)
    close(got[1].cpu(), wanted[1], SINGLE)
    for name in NAMES:
        assert got[2][name].dtype == given[name].dtype
        rounded = SINGLE + (HALF if given[name].dtype == torch.bfloat16 else 0.0)
        close(got[2][name].cpu(), wanted[2][name], rounded)


def test_fused_is_what_a_gpu_gets() -> None:
    tensors = [x.float().to(DEVICE) for x in inputs(1, 100, 1, 8).values()]
    for got, wanted in zip(delta_rule(*tensors), delta_rule_fused(*tensors), strict=True):
        assert torch.equal(got, wanted)


def adapted(device: str) -> tuple[Any, DeltaMemory]:
    backbone = load_tiny(device=device)
    memory = DeltaMemory(DeltaMemConfig(), backbone.model).initialise(backbone.model, seed=0)
    return backbone, memory


def decoded(device: str) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Greedy tokens after a written history, and the state that travelled with the cache."""
    backbone, memory = adapted(device)
    ids = (torch.arange(PROMPT)[None] % 90 + 5).to(device)
    with memory.attach(backbone.model) as attached, torch.no_grad():
        _, state = attached.forward(ids.flip(1), logits=False)
        attached.initial = state
        made = backbone.model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=NEW,
            min_new_tokens=NEW,
            do_sample=False,
            pad_token_id=0,
        )
        assert attached.last is not None
        after = attached.last.after()
    return made.cpu(), [s.cpu() for s in after.layers.values()]


@pytest.mark.parametrize("device", ["cpu", DEVICE])
def test_decoding_with_a_memory(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against the CPU, and against torch on the same GPU."""
    made, states = decoded(DEVICE)
    monkeypatch.setenv(VARIABLE, "torch")
    wanted, wanted_states = decoded(device)
    assert made.tolist() == wanted.tolist()
    for got, want in zip(states, wanted_states, strict=True):
        close(got, want, BACKBONE)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_a_single_token(settings: dict[str, Any]) -> None:
    layer = layer_of(**settings).to(DEVICE)
    step = single_step(layer)
    assert isinstance(step, FusedStep)
    for batch, write, padded in ((3, True, True), (1, True, False), (3, False, False)):
        case = {"batch": batch, "write": write, "padded": padded, "device": DEVICE}
        assert difference(step, layer, **case) <= SINGLE


@torch.no_grad()
def test_a_single_token_in_a_graph() -> None:
    """Nothing waits for the device, so that a step can be captured and played again."""
    layer = layer_of().to(DEVICE)
    step = FusedStep(layer)
    hidden, state = (x.to(DEVICE) for x in token_and_state(layer, batch=2))
    other = -hidden
    wanted, steered = step(other, state, valid=None, write=True)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        after, corrections = step(hidden, state, valid=None, write=True)
    hidden.copy_(other)
    graph.replay()
    assert torch.equal(after, wanted)
    assert all(torch.equal(corrections[head], steered[head]) for head in steered)


def gradients(device: str) -> tuple[float, list[torch.Tensor]]:
    """Loss and gradients of two episodes of different lengths."""
    backbone, memory = adapted(device)
    learner = DeltaMemLearner(backbone, memory, write_length=512, read_length=128, gate_target=0.05)
    ask = Ask(visible=[{"role": "user", "content": "Where is Ada?"}], answer="Ada is in Oslo.")
    said = [{"role": "user", "content": "Today Ada is in Oslo."}]
    episodes = [Episode(id=str(n), written=said * n, asks=(ask,)) for n in (1, 3)]
    objective = learner.loss(learner.batch(episodes))
    (objective.cross_entropy + objective.sparsity).backward()
    found = [p.grad.cpu() for p in learner.parameters() if p.grad is not None]
    return float(objective.cross_entropy.detach()), found


def test_a_training_step() -> None:
    loss, found = gradients(DEVICE)
    wanted_loss, wanted = gradients("cpu")
    assert loss == pytest.approx(wanted_loss, rel=BACKBONE)
    assert len(found) == len(wanted) > 0
    for got, want in zip(found, wanted, strict=True):
        scale = float(want.abs().max())
        assert float((got - want).abs().max()) <= BACKBONE * scale
