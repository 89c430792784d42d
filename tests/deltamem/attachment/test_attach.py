"""The memory on real architectures: exact when silent, and the same however the tokens come."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from random_models import FAMILIES

from deltamem import DeltaMemConfig, DeltaMemory, InvalidInput, MemoryCache
from deltamem.delta_rule import VARIABLE
from deltamem.writers import MultiStateWriter, SegmentWriter, TokenWriter

SAME = 2e-5
"""Agreement of logits computed in another order of sums, float32 (the parity tolerance)."""

WRITERS = {
    "tsw": TokenWriter(),
    "ssw": SegmentWriter(),
    "msw": MultiStateWriter(num_states=2),
}


def memory_for(model: Any, *, gain: float = 0.5, **settings: Any) -> DeltaMemory:
    """An adapter whose steering is large enough to be seen."""
    config = DeltaMemConfig(rank=4, init="random", init_gain=gain, **settings)
    memory = DeltaMemory(config, model).initialise(model, seed=1)
    generator = torch.Generator().manual_seed(2)
    for weight in memory.parameters():
        weight.data += 0.1 * torch.randn(weight.shape, generator=generator)
    return memory


def tokens(batch: int, time: int, *, seed: int = 0) -> torch.Tensor:
    return torch.randint(3, 96, (batch, time), generator=torch.Generator().manual_seed(seed))


def near(got: torch.Tensor, wanted: torch.Tensor, tolerance: float = SAME) -> None:
    got, wanted = got.detach(), wanted.detach()
    assert float((got - wanted).abs().max()) <= tolerance * max(1.0, float(wanted.abs().max()))


def same_state(got: Any, wanted: Any) -> None:
    assert got.layers.keys() == wanted.layers.keys()
    for index, layer in got.layers.items():
        near(layer, wanted.layers[index])


@pytest.fixture(params=FAMILIES)
def model(request: pytest.FixtureRequest, make_model: Callable[..., Any]) -> Any:
    return make_model(request.param)


@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)
def test_zero_steering_changes_no_bit(model: Any, writer: Any) -> None:
    ids = tokens(2, 20)
    bare = model(ids).logits
    config = DeltaMemConfig(rank=4, init="zero", writer=writer, heads=("q", "k", "v", "o"))
    memory = DeltaMemory(config, model).initialise(model, seed=1)
    with memory.attach(model) as attached:
        output, state = attached.forward(ids, segments=torch.arange(20).expand(2, -1) // 5)
    assert torch.equal(output.logits, bare)
    assert any(bool(layer.any()) for layer in state.layers.values())


def test_detaching_leaves_no_trace(model: Any) -> None:
    ids = tokens(1, 10)
    bare, names = model(ids).logits, list(model.state_dict())
    before = {name: w.clone() for name, w in model.state_dict().items()}
    memory = memory_for(model)
    with pytest.raises(RuntimeError, match="inside"), memory.attach(model) as attached:
        assert not torch.equal(model(ids).logits, bare)
        raise RuntimeError("inside")
    assert torch.equal(model(ids).logits, bare)
    assert list(model.state_dict()) == names
    assert all(torch.equal(w, before[name]) for name, w in model.state_dict().items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert not any("forward" in vars(module) for module in model.modules())
    with pytest.raises(InvalidInput, match="no longer attached to its backbone"):
        attached.forward(ids)


@pytest.mark.parametrize("gradients", [True, False], ids=["gradients", "no-gradients"])
@pytest.mark.parametrize("writer", [WRITERS["tsw"], WRITERS["msw"]], ids=["tsw", "msw"])
def test_cached_decoding_equals_one_pass(model: Any, writer: Any, gradients: bool) -> None:
    ids, memory = tokens(2, 16), memory_for(model, writer=writer)
    with torch.set_grad_enabled(gradients), memory.attach(model) as attached:
        whole, wanted = attached.forward(ids)
        cache, logits = MemoryCache(config=model.config), []
        for start, end in ((0, 9), *((t, t + 1) for t in range(9, 16))):
            output, state = attached.forward(ids[:, start:end], past_key_values=cache)
            logits.append(output.logits)
    near(torch.cat(logits, dim=1), whole.logits)
    same_state(state, wanted)


@pytest.mark.parametrize("form", ["torch", ""])
def test_only_decoding_keeps_no_gates(
    form: str, make_model: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, form)
    model, ids = make_model("qwen3"), tokens(2, 5)
    memory = memory_for(model)
    with torch.no_grad(), memory.attach(model) as attached:

        def layers_with_gates(**how: Any) -> int:
            attached.forward(ids[:, :1], **how)
            assert attached.last is not None
            return len(attached.last.gates)

        cache = MemoryCache(config=model.config)
        attached.forward(ids, past_key_values=cache)
        assert layers_with_gates() == len(list(memory.attentions(model)))
        assert layers_with_gates(past_key_values=cache) == 0


def test_chunked_prefill_equals_one_pass(model: Any) -> None:
    ids, memory = tokens(2, 21), memory_for(model)
    mask = torch.ones_like(ids)
    mask[0, :4] = 0
    with memory.attach(model) as attached:
        whole, wanted = attached.forward(ids, mask)
        cache, logits = MemoryCache(config=model.config), []
        for start, end in ((0, 8), (8, 9), (9, 21)):
            output, state = attached.forward(
                ids[:, start:end], mask[:, :end], past_key_values=cache
            )
            logits.append(output.logits)
    near(torch.cat(logits, dim=1)[mask.bool()], whole.logits[mask.bool()])
    same_state(state, wanted)


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)
@pytest.mark.parametrize("family", FAMILIES)
def test_left_padding_neither_reads_nor_writes(
    family: str, writer: Any, attention: str, make_model: Callable[..., Any]
) -> None:
    model = make_model(family, attention=attention)
    memory = memory_for(model, writer=writer)
    short, long = tokens(1, 7, seed=1), tokens(1, 19, seed=2)
    segments = torch.arange(19)[None] // 4
    ids = torch.cat([torch.cat([tokens(1, 12, seed=3), short], dim=1), long])
    mask = torch.ones_like(ids)
    mask[0, :12] = 0
    both = torch.cat([torch.cat([segments[:, :12], segments[:, :7]], dim=1), segments])
    positions = (mask.cumsum(1) - 1).clamp_min(0)
    with memory.attach(model) as attached:
        batch, state = attached.forward(ids, mask, segments=both, position_ids=positions)
        alone, first = attached.forward(short, segments=segments[:, :7])
        other, second = attached.forward(long, segments=segments)
    near(batch.logits[0, 12:], alone.logits[0])
    near(batch.logits[1], other.logits[0])
    same_state(state.select([0]), first)
    same_state(state.select([1]), second)


def test_activation_checkpointing_gives_the_same_gradients(model: Any) -> None:
    ids, memory = tokens(2, 18), memory_for(model)
    gradients = []
    for checkpointed in (False, True):
        model.train()
        if checkpointed:
            model.activation_checkpointing_enable()
        memory.zero_grad()
        with memory.attach(model) as attached:
            _, state = attached.forward(ids, use_cache=False)
            output, _ = attached.forward(ids, state=state, write=False, use_cache=False)
            (
                output.logits.square().mean()
                + attached.last.after().map(lambda s: s).layers[1].sum()
            ).backward()
        gradients.append([p.grad.clone() for p in memory.parameters()])
    assert all(bool(g.any()) for g in gradients[0])
    for plain, recomputed in zip(*gradients, strict=True):
        near(recomputed, plain, 1e-6)


def test_low_precision_backbone_keeps_a_float32_memory(model: Any) -> None:
    model = model.to(torch.bfloat16)
    ids = tokens(1, 12)
    bare = model(ids).logits
    silent = DeltaMemory(DeltaMemConfig(init="zero", rank=4), model).initialise(model, seed=0)
    with silent.attach(model) as attached:
        output, _ = attached.forward(ids)
    assert torch.equal(output.logits, bare)
    memory = memory_for(model)
    with memory.attach(model) as attached:
        output, state = attached.forward(ids)
    assert output.logits.dtype == torch.bfloat16
    assert all(s.dtype == torch.float32 for s in state.layers.values())
    assert all(p.dtype == torch.float32 for p in memory.parameters())


@pytest.mark.parametrize(
    "settings",
    [
        {"heads": ("k",)},
        {"heads": ("v", "q")},
        {"layers": (1,)},
        {"own_retention": True},
        {"rowwise_gates": False},
        {"update": "lambda_outside"},
        {"update": "no_lambda"},
        {"normalize_qk": False},
    ],
    ids=str,
)
def test_variants_read_what_they_wrote(
    settings: dict[str, Any], make_model: Callable[..., Any]
) -> None:
    model = make_model("qwen3")
    memory, ids = memory_for(model, **settings), tokens(1, 12)
    assert [int(i) for i in memory.layers] == list(settings.get("layers", (0, 1)))
    with memory.attach(model) as attached:
        _, state = attached.forward(ids)
        with_state, unchanged = attached.forward(ids, state=state, write=False)
        without, _ = attached.forward(ids, write=False)
    same_state(unchanged, state)
    assert torch.equal(without.logits, model(ids).logits)
    assert not torch.equal(with_state.logits, without.logits)


def test_generate_greedy_and_sampled(model: Any) -> None:
    ids, memory = tokens(2, 6), memory_for(model)
    length = 6
    with memory.attach(model) as attached:
        greedy = model.generate(ids, max_new_tokens=length, do_sample=False, min_new_tokens=length)
        expected = ids
        for _ in range(length):
            output, _ = attached.forward(expected)
            output.logits[:, -1, 2] = -torch.inf
            expected = torch.cat([expected, output.logits[:, -1:].argmax(-1)], dim=1)
        torch.manual_seed(5)
        first = model.generate(ids, max_new_tokens=length, do_sample=True, top_k=5)
        torch.manual_seed(5)
        second = model.generate(ids, max_new_tokens=length, do_sample=True, top_k=5)
    assert torch.equal(greedy, expected)
    assert torch.equal(first, second)


def test_beams_carry_the_state(make_model: Callable[..., Any]) -> None:
    model = make_model("qwen3")
    ids, memory = tokens(2, 6), memory_for(model)
    options = {"max_new_tokens": 5, "num_beams": 3, "do_sample": False}
    with memory.attach(model):
        cached = model.generate(ids, **options)
        recomputed = model.generate(ids, use_cache=False, **options)
    assert torch.equal(cached, recomputed)


def test_prompt_lookup_is_refused(make_model: Callable[..., Any]) -> None:
    model = make_model("qwen3")
    memory, ids = memory_for(model), tokens(1, 4).repeat(1, 4)
    with memory.attach(model), pytest.raises(InvalidInput, match="cannot be rewound"):
        model.generate(ids, max_new_tokens=8, prompt_lookup_num_tokens=3, do_sample=False)


def test_segment_writer_without_segments_is_an_error(make_model: Callable[..., Any]) -> None:
    model = make_model("qwen3")
    memory, ids = memory_for(model, writer=SegmentWriter()), tokens(1, 8)
    with memory.attach(model) as attached:
        with pytest.raises(InvalidInput, match="no segment ids"):
            attached.forward(ids)
        with pytest.raises(InvalidInput, match="one integer per token"):
            attached.forward(ids, segments=torch.zeros(1, 7, dtype=torch.long))
        _, state = attached.forward(ids, segments=torch.full((1, 8), -1))
        assert not any(bool(s.any()) for s in state.layers.values())
        attached.forward(ids, write=False)


def test_states_and_caches_that_do_not_fit_are_refused(make_model: Callable[..., Any]) -> None:
    model = make_model("qwen3")
    memory, ids = memory_for(model), tokens(2, 8)
    with memory.attach(model) as attached:
        _, state = attached.forward(ids)
        with pytest.raises(InvalidInput, match="holds 1 sequences, the batch has 2"):
            attached.forward(ids, state=state.select([0]))
        with pytest.raises(InvalidInput, match="written by adapter"):
            attached.forward(ids, state=memory_for(model).zeros(2))
        with pytest.raises(InvalidInput, match=r"has layers \[0\]"):
            attached.forward(ids, state=type(state)({0: state.layers[0]}, state.adapter))
        with pytest.raises(InvalidInput, match="torch.float64"):
            attached.forward(ids, state=state.map(torch.Tensor.double))
        with pytest.raises(InvalidInput, match="2-D attention mask"):
            attached.forward(ids, torch.ones(2, 1, 8, 8))
        with pytest.raises(InvalidInput, match="already attached to this backbone"):
            memory_for(model).attach(model).__enter__()
    cache = model(ids, use_cache=True).past_key_values
    with memory.attach(model), pytest.raises(InvalidInput, match="without the memory attached"):
        model(ids[:, :1], past_key_values=cache)


def test_architectures_without_separate_projections_are_refused() -> None:
    from transformers import Phi3Config, Phi3ForCausalLM

    model = Phi3ForCausalLM(
        Phi3Config(
            vocab_size=96,
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=1,
            num_attention_heads=2,
            num_key_value_heads=2,
            pad_token_id=0,
        )
    )
    with pytest.raises(InvalidInput, match="no separate q_proj"):
        DeltaMemory(DeltaMemConfig(), model)


def test_layers_that_do_not_exist_are_refused(make_model: Callable[..., Any]) -> None:
    with pytest.raises(InvalidInput, match="layers 0 to 1"):
        DeltaMemory(DeltaMemConfig(layers=(2,)), make_model("qwen3"))
