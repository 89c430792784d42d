"""kNN-LM: the search against brute force, the mixture, and a history that can be told again."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from trained_baselines import GREEDY, OTHER, TALK, prompts, sha, texts, written

from deltamem.backbone import generate
from deltamem_base.faults import InvalidInput
from deltamem_baselines.frozen import Frozen
from deltamem_baselines.knnlm import KnnLm, Stored, interpolated, store
from deltamem_baselines.next_token import neighbours
from deltamem_baselines.next_token.hidden_states import check_layer, mlp_inputs
from deltamem_baselines.next_token.interpolation import mix
from deltamem_baselines.next_token.neighbours import Datastore, temperature_for
from deltamem_evaluations.sample import Decoding, History

CLOSE = 1e-5
"""Float32 sums of a few dozen numbers of order one, in another order."""
CONTEXTS = ("visible", "none")


def random_store(size: int, width: int, vocabulary: int, seed: int = 0) -> Datastore:
    generator = torch.Generator().manual_seed(seed)
    return Datastore(
        keys=torch.randn(size, width, generator=generator),
        values=torch.randint(vocabulary, (size,), generator=generator),
    )


# --- the search -----------------------------------------------------------------------------


@settings(max_examples=40)
@given(
    size=st.integers(2, 40),
    count=st.integers(1, 12),
    queries=st.integers(1, 7),
    chunk=st.integers(1, 50),
    temperature=st.floats(0.1, 10),
    seed=st.integers(0, 10**6),
)
def test_p_knn_by_brute_force(
    size: int, count: int, queries: int, chunk: int, temperature: float, seed: int
) -> None:
    """In float64, one pair at a time, whatever the chunks of the search."""
    data, wanted = random_store(size, 5, 9, seed), []
    asked = random_store(queries, 5, 9, seed + 1).keys
    exclude = torch.arange(queries) - 1  # the first query excludes nothing
    for query, own in zip(asked.double(), exclude.tolist(), strict=True):
        distances = sorted(
            (float((query - key).square().sum()), i)
            for i, key in enumerate(data.keys.double())
            if i != own
        )
        weights = [math.exp(-d / temperature) for d, _ in distances[:count]]
        row = torch.zeros(9, dtype=torch.float64)
        for weight, (_, i) in zip(weights, distances, strict=False):
            row[data.values[i]] += weight / sum(weights)
        wanted.append(row)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbours, "KEYS_AT_ONCE", chunk)
        patch.setattr(neighbours, "QUERIES_AT_ONCE", 3)
        found = data.nearest(asked, count, exclude=exclude)
    got = found.distribution(temperature, 9)
    torch.testing.assert_close(got.sum(1), torch.ones(queries), rtol=CLOSE, atol=CLOSE)
    torch.testing.assert_close(got.double(), torch.stack(wanted), rtol=1e-3, atol=1e-4)


def test_the_nearest_to_a_stored_key_is_itself() -> None:
    data = random_store(50, 8, 9)
    found = data.nearest(data.keys, 1)
    assert found.indices[:, 0].tolist() == list(range(50))
    assert torch.equal(found.distribution(1.0, 9).argmax(-1), data.values)


def test_a_position_is_excluded_by_its_index() -> None:
    """Not as the first hit: another position may have the very same key."""
    keys = torch.randn(4, 8).repeat_interleave(2, dim=0)
    data = Datastore(keys=keys, values=torch.arange(8))
    own = torch.arange(8)
    found = data.nearest(keys, 1, exclude=own)
    assert found.indices[:, 0].tolist() == [1, 0, 3, 2, 5, 4, 7, 6]
    row = data.nearest(keys[:1], 8, exclude=own[:1])
    assert float(row.distribution(1.0, 8)[0, 0]) == 0.0


def test_keys_far_from_the_origin_lose_nothing() -> None:
    """Distances of one between keys of length a thousand, float32."""
    data = random_store(64, 16, 9)
    moved = Datastore(keys=data.keys + 1000, values=data.values)
    near, far = (d.nearest(d.keys, 5) for d in (data, moved))
    assert torch.equal(near.indices, far.indices)
    torch.testing.assert_close(near.distances, far.distances, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("effective", [1.5, 4.0, 16.0])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_the_temperature_gives_that_many_neighbours(effective: float, scale: float) -> None:
    data = random_store(200, 8, 9)
    found = Datastore(keys=data.keys * scale, values=data.values).nearest(data.keys * scale, 100)
    weights = found.weights(temperature_for(found, effective))
    assert float(torch.special.entr(weights).sum(1).exp().mean()) == pytest.approx(
        effective, rel=0.01
    )


def test_temperatures_where_there_is_little_to_go_by() -> None:
    same = Datastore(keys=torch.ones(6, 3), values=torch.arange(6))
    assert temperature_for(same.nearest(same.keys, 4), 8.0) == 1.0
    single = Datastore(keys=torch.ones(1, 3), values=torch.arange(1))
    found = single.nearest(single.keys, 1, exclude=torch.tensor([0]))
    assert temperature_for(found, 8.0) == 1.0
    few = random_store(4, 3, 9)
    found = few.nearest(few.keys, 4)
    weights = found.weights(temperature_for(found, 1000.0))  # half of four is the aim
    assert float(torch.special.entr(weights).sum(1).exp().mean()) == pytest.approx(2.0, rel=0.01)


# --- the mixture ----------------------------------------------------------------------------


@given(share=st.floats(0, 1))
def test_mixtures_sum_to_one(share: float) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 11, generator=generator) * 5
    memory = torch.tensor([[0.0, 0.5, 0.5] + [0.0] * 8] * 3).log()
    mixed = mix(logits, memory, share)
    wanted = share * memory.exp() + (1 - share) * logits.softmax(-1)
    torch.testing.assert_close(mixed.softmax(-1), wanted, rtol=1e-3, atol=CLOSE)
    assert not mixed.isnan().any()
    if share == 0:
        assert torch.equal(mixed, logits)
    if share == 1:
        assert torch.equal(mixed, memory)


# --- the method -----------------------------------------------------------------------------


def test_keys_are_what_the_last_mlp_gets(tiny: Any) -> None:
    data = store(tiny, OTHER)
    ids = torch.tensor([tiny.render_history(OTHER).ids])
    hidden = tiny.model(ids, output_hidden_states=True).hidden_states[-2]
    layer = tiny.model.model.layers[-1]
    position_ids = torch.arange(ids.shape[1])[None]
    embeddings = tiny.model.model.rotary_emb(hidden, position_ids)
    attended, _ = layer.self_attn(
        hidden_states=layer.input_layernorm(hidden),
        position_embeddings=embeddings,
        attention_mask=None,
    )
    wanted = layer.post_attention_layernorm(hidden + attended)[0, :-1]
    torch.testing.assert_close(data.keys, wanted, rtol=1e-4, atol=1e-4)
    assert data.values.tolist() == ids[0, 1:].tolist()
    assert store(tiny, ()) is None


def test_a_long_history_is_stored_in_windows(tiny: Any) -> None:
    narrow = replace(tiny, window=16)
    whole, parts = store(tiny, OTHER), store(narrow, OTHER)
    assert torch.equal(parts.values, whole.values)
    torch.testing.assert_close(parts.keys[:15], whole.keys[:15], rtol=1e-4, atol=1e-4)
    assert not torch.allclose(parts.keys[20:], whole.keys[20:], atol=0.01)


def test_nothing_is_left_on_the_backbone(tiny: Any) -> None:
    before = sha(tiny.model)
    with pytest.raises(KeyError), mlp_inputs(tiny.model, [0, -1]) as seen:
        tiny.model(torch.tensor([[5, 6]]))
        assert {layer: x.shape for layer, x in seen.items()} == {0: (1, 2, 128), -1: (1, 2, 128)}
        raise KeyError
    texts(written(KnnLm(tiny), TALK))
    assert sha(tiny.model) == before
    assert not any(layer.mlp._forward_pre_hooks for layer in tiny.model.model.layers)
    with pytest.raises(InvalidInput, match="there is no layer 4; choose from -4 to 3"):
        check_layer(tiny.model, 4)


@torch.no_grad()
def test_a_text_is_told_again_from_its_first_five_tokens(
    tiny: Any, make_model: Callable[..., Any]
) -> None:
    """The memory alone with one neighbour: token for token what was stored."""
    model = make_model("qwen3", vocab_size=len(tiny.tokenizer))
    backbone = replace(tiny, model=model)
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(3, 900, (40,), generator=generator)
    with mlp_inputs(model, [-1]) as seen:
        model(ids[None])
    data = Datastore(keys=seen[-1][0, :-1], values=ids[1:])
    stored = Stored(data, neighbours=1, effective=1.0, temperature=1.0)
    told = []

    def listen(*step: Any) -> Any:
        logits = interpolated(backbone, [stored], 1.0)(*step)
        told.append(int(logits.argmax()))
        return logits

    decoding = Decoding(max_new_tokens=35)
    generate(backbone, [ids[:5].tolist()], decoding, seeds=[0], next_logits=listen)
    assert told == ids[5:].tolist()


@pytest.mark.parametrize("context", CONTEXTS)
def test_a_share_of_nothing_is_the_bare_backbone(tiny: Any, context: str) -> None:
    method = written(KnnLm(tiny, context=context, interpolation=0.0), TALK, OTHER)
    bare = written(Frozen(tiny, context=context), TALK, OTHER)
    assert [texts(method, h) for h in (0, 1)] == [texts(bare, h) for h in (0, 1)]
    unwritten = KnnLm(tiny, context=context, interpolation=0.9)
    assert texts(unwritten) == texts(Frozen(tiny, context=context))


def test_what_is_out_of_view_is_found_again(tiny: Any) -> None:
    """The backbone cannot know the place; the neighbours do, each history's its own."""
    method = KnnLm(tiny, context="none")
    told = [History(messages=TALK[:1]), History(messages=OTHER[2:])]
    method.reset(2)
    reports = method.write(told)
    assert texts(method, 0)[0] == "Today Ada is in Oslo."
    assert texts(method, 1)[2] == "Today Hugo is in Kiel."
    assert "Oslo" not in " ".join(texts(method, 1))
    assert "Oslo" not in texts(written(Frozen(tiny, context="none"), TALK))[0]
    for report, history in zip(reports, told, strict=True):
        assert report.written_tokens == len(tiny.render_history(history.messages).ids) - 1
        assert report.shown_tokens == 0


@pytest.mark.parametrize("context", CONTEXTS)
def test_batches_pieces_and_round_trips(tiny: Any, context: str) -> None:
    def make() -> KnnLm:
        return KnnLm(tiny, context=context, interpolation=0.5)

    method = written(make(), TALK, OTHER)
    asked = [*prompts(0), *prompts(1)]
    together = [a.text for a in method.answer(asked, GREEDY)]
    assert together == [method.answer([p], GREEDY)[0].text for p in asked]
    other, pieces = make(), make()
    other.load_state_dict(method.state_dict())
    assert [a.text for a in other.answer(asked, GREEDY)] == together
    pieces.write([History(messages=OTHER[:1])])
    pieces.write([History(messages=OTHER[1:])])
    assert texts(pieces) == texts(method, 1)
    method.reset()
    assert texts(method) == texts(make())


def test_what_it_says_of_itself_and_refuses(tiny: Any) -> None:
    said = KnnLm(tiny).describe().deciding
    assert json.loads(json.dumps(said)) == said
    assert (said["trained_parameters"], said["state_bytes_per_token"]) == (0, 128 * 4 + 8)
    stored = store(tiny, TALK)
    assert said["state_bytes_per_token"] == (
        (stored.keys.nbytes + stored.values.nbytes) / len(stored)
    )
    for settings_, sentence in (
        ({"interpolation": 1.5}, r"method\.interpolation is 1\.5; it must be from 0 to 1"),
        ({"neighbours": 0}, "neighbours is 0; it must be at least 1"),
        ({"effective_neighbours": 0.5}, r"effective_neighbours is 0\.5"),
        ({"temperature": 0.0}, r"temperature is 0\.0"),
        ({"context": "part"}, "context is 'part'"),
    ):
        with pytest.raises(InvalidInput, match=sentence):
            KnnLm(tiny, **settings_)
