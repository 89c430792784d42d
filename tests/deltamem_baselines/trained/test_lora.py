"""Low-rank branches: what they add, that they leave no trace, and that a few facts fit in them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from random_models import FAMILIES, qwen3_4b
from torch.nn.functional import cross_entropy
from trained_baselines import scatter, sha

from deltamem_base.faults import InvalidInput
from deltamem_baselines.trained.lora import ALL_LINEAR, ATTENTION, Lora

MERGED = 2e-4
"""(W + s B A) x against W x + s B (A x): float32 summed in another order through two layers."""

IDS = torch.tensor([[5, 6, 7, 8, 9, 10], [11, 12, 13, 14, 15, 16]])


def lora_for(model: Any, targets: Sequence[str] = ATTENTION, *, rank: int = 4) -> Lora:
    return Lora(model, rank=rank, alpha=2.0 * rank, targets=targets).initialise(seed=0)


def hooks(model: Any) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())


@pytest.mark.parametrize(
    ("rank", "targets", "parameters"),
    [(8, ATTENTION, 5_898_240), (4, ALL_LINEAR, 8_257_536), (8, ALL_LINEAR, 16_515_072)],
    ids=["paper", "per_context", "memgen"],
)
def test_parameters_on_qwen3_4b(rank: int, targets: Sequence[str], parameters: int) -> None:
    assert Lora(qwen3_4b(), rank=rank, alpha=1.0, targets=targets).parameter_count == parameters


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("targets", [ATTENTION, ALL_LINEAR], ids=["attention", "all"])
def test_a_new_branch_changes_no_bit(
    family: str, targets: Sequence[str], make_model: Callable[..., Any]
) -> None:
    model = make_model(family)
    before = model(IDS).logits
    with lora_for(model, targets).attach(model):
        assert torch.equal(model(IDS).logits, before)


@pytest.mark.parametrize("family", FAMILIES)
def test_branches_are_what_they_would_be_merged(
    family: str, make_model: Callable[..., Any]
) -> None:
    model = make_model(family)
    lora = scatter(lora_for(model, ALL_LINEAR), seed=1)
    merged = copy.deepcopy(model)
    with torch.no_grad():
        for block, layer in zip(merged.get_decoder().layers, lora.layers, strict=True):
            for name, branch in layer.items():
                home = block.self_attn if name in ATTENTION else block.mlp
                getattr(home, name).weight += 2.0 * branch.b @ branch.a
    with lora.attach(model):
        got = model(IDS).logits
    assert not torch.allclose(got, model(IDS).logits, atol=0.01)
    torch.testing.assert_close(got, merged(IDS).logits, atol=MERGED, rtol=MERGED)


def test_nothing_is_left_behind(make_model: Callable[..., Any]) -> None:
    model = make_model("qwen3")
    before, weights = model(IDS).logits, sha(model)
    lora = scatter(lora_for(model), seed=1)
    with pytest.raises(KeyError), lora.attach(model):
        assert hooks(model) == 8
        raise KeyError
    with lora.attach(model), pytest.raises(InvalidInput, match="already attached"):
        lora.attach(model).__enter__()
    assert hooks(model) == 0
    assert torch.equal(model(IDS).logits, before)
    assert sha(model) == weights


def test_two_sets_of_branches_in_one_loss(make_model: Callable[..., Any]) -> None:
    """Each acts in its own forward, and both get their gradients."""
    model = make_model("qwen3")
    one, two = (scatter(lora_for(model), seed=s) for s in (1, 2))
    with one.attach(model):
        first = model(IDS).logits
    with two.attach(model):
        second = model(IDS).logits
    (first.square().mean() + second.square().mean()).backward()
    assert all(p.grad is not None and p.grad.any() for p in [*one.parameters(), *two.parameters()])
    assert all(p.grad is None and not p.requires_grad for p in model.parameters())


def test_dropout_follows_its_generator(make_model: Callable[..., Any]) -> None:
    model = make_model("qwen3")
    lora = scatter(lora_for(model), seed=1)

    def logits(seed: int, share: float) -> Any:
        generator = torch.Generator().manual_seed(seed)
        with lora.attach(model, dropout=share, generator=generator):
            return model(IDS).logits

    assert torch.equal(logits(0, 0.5), logits(0, 0.5))
    assert not torch.equal(logits(0, 0.5), logits(1, 0.5))
    assert torch.equal(logits(0, 0.0), logits(1, 0.0))


def test_the_backbones_dtype_is_kept(make_model: Callable[..., Any]) -> None:
    model = make_model("qwen3").to(torch.bfloat16)
    lora = scatter(lora_for(model), seed=1)
    assert all(p.dtype == torch.float32 for p in lora.parameters())
    with lora.attach(model):
        assert model(IDS).logits.dtype == torch.bfloat16


def test_what_cannot_be_done_is_said(make_model: Callable[..., Any]) -> None:
    from transformers import Phi3Config, Phi3ForCausalLM

    model = make_model("qwen3")
    with pytest.raises(InvalidInput, match="targets is 'w_proj'; choose one of q_proj, k_proj"):
        lora_for(model, ("w_proj",))
    with pytest.raises(InvalidInput, match="rank is 0"):
        lora_for(model, rank=0)
    fused = Phi3ForCausalLM(
        Phi3Config(
            vocab_size=64,
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=1,
            num_attention_heads=2,
            pad_token_id=0,
        )
    )
    with pytest.raises(InvalidInput, match="layer 0 of Phi3ForCausalLM has no separate q_proj"):
        lora_for(fused)


FACTS, KEY, VALUE = 24, 4, 3


def facts(seed: int) -> torch.Tensor:
    """A phone book: keys of four tokens, values of three."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(3, 96, (FACTS, KEY + VALUE), generator=generator)


@torch.no_grad()
def known(model: Any, book: torch.Tensor) -> float:
    """Share of the facts whose value is decoded greedily from the key."""
    ids = book[:, :KEY]
    for _ in range(VALUE):
        ids = torch.cat([ids, model(ids).logits[:, -1:].argmax(-1)], dim=1)
    return float((ids == book).all(1).float().mean())


def written_into(model: Any, book: torch.Tensor, *, steps: int = 150) -> Lora:
    lora = lora_for(model, rank=8)
    optimizer = torch.optim.AdamW(lora.parameters(), lr=1e-2, weight_decay=0.0)
    for _ in range(steps):
        optimizer.zero_grad()
        with lora.attach(model):
            logits = model(book).logits[:, KEY - 1 : -1]
        cross_entropy(logits.flatten(0, 1), book[:, KEY:].flatten()).backward()
        torch.nn.utils.clip_grad_norm_(lora.parameters(), 1.0)
        optimizer.step()
    return lora


def test_a_phone_book_fits_and_is_gone_with_the_branches(make_model: Callable[..., Any]) -> None:
    """All that was written is known, nothing else is, and writing again gives the same bits."""
    model = make_model("qwen3", seed=0)
    before = sha(model)
    book, unwritten = facts(1), facts(2)
    lora = written_into(model, book)
    with lora.attach(model):
        assert known(model, book) == 1.0
        assert known(model, unwritten) == 0.0
        logits = model(book).logits
    assert known(model, book) == 0.0
    written_into(model, unwritten, steps=10)
    with written_into(model, book).attach(model):
        assert torch.equal(model(book).logits, logits)
    assert sha(model) == before
