"""MemGen: latents in place, in training and while decoding, and the bare backbone without them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from random_models import qwen3_4b
from torch.nn.functional import cross_entropy
from trained_baselines import (
    EPISODES,
    GREEDY,
    NONSENSE,
    OTHER,
    QUESTIONS,
    TALK,
    fit,
    prompts,
    scatter,
    sha,
    stopped_and_resumed,
    texts,
    written,
)

from deltamem.backbone import MemoryCache, generate
from deltamem_base.faults import InvalidInput, Unavailable
from deltamem_baselines.context2lora.context2lora import Context2LoraLearner
from deltamem_baselines.frozen import Frozen
from deltamem_baselines.memgen.decoding import Readings, WovenLogits
from deltamem_baselines.memgen.memgen import MemGen
from deltamem_baselines.memgen.places import Places
from deltamem_baselines.memgen.training import MemGenLearner, splice
from deltamem_baselines.memgen.weaver import MemGenWeights
from deltamem_evaluations.sample import Decoding, History

CLOSE = 1e-4
"""The same sums in another order, float32, through four layers; relative to logits of about ten."""
NOWHERE = Places(at_prompt=False, max_insertions=0)
LONG = Decoding(max_new_tokens=16)
CONTEXTS = ("visible", "none")


def learner_for(backbone: Any, seed: int = 0, **changes: Any) -> MemGenLearner:
    return MemGenLearner(backbone, seed=seed, read_length=256, **changes)


@pytest.fixture(scope="module")
def weights(tiny: Any) -> MemGenWeights:
    """A weaver that changes answers, and a trigger with an opinion."""
    made = MemGenWeights(tiny.model, prompt_latents=3, inference_latents=2)
    made.initialise(tiny.model, seed=0)
    return scatter(made, seed=1, size=0.02).requires_grad_(False)


@pytest.fixture(scope="module")
def folder(tiny: Any, weights: MemGenWeights, tmp_path_factory: pytest.TempPathFactory) -> Path:
    learner = learner_for(tiny, prompt_latents=3, inference_latents=2)
    learner.weights.load_state_dict(weights.state_dict())
    learner.weights.trigger_trained = True
    return learner.save(tmp_path_factory.mktemp("weights"), card={"steps": 0})


def ids_of(backbone: Any, talk: Sequence[Any], question: str) -> list[int]:
    asked = [*talk, {"role": "user", "content": question}]
    return backbone.render(asked, add_generation_prompt=True).ids


def test_parameters_on_qwen3_4b() -> None:
    """The count behind the paper's row."""
    assert MemGenWeights(qwen3_4b()).parameter_count == 46_198_788


def test_start_values(tiny: Any) -> None:
    one, two, other = (MemGenWeights(tiny.model).initialise(tiny.model, seed=s) for s in (0, 0, 1))
    assert sha(one) == sha(two) != sha(other)
    latents = one.weaver.weave(tiny.model, [torch.randn(5, 128) * 0.02], at_prompt=True)
    embedded = tiny.model.get_input_embeddings().weight
    ratio = float(latents.detach().square().mean() / embedded.square().mean()) ** 0.5
    assert 0.2 < ratio < 5  # latents start with the size of embeddings
    with pytest.raises(InvalidInput, match="prompt_latents is 0"):
        MemGenWeights(tiny.model, prompt_latents=0)


# --- where ----------------------------------------------------------------------------------


@example(text="1.\n1", limit=1, every=False, at_prompt=False)  # a point and a line in one token
@given(
    text=st.text("ab71,. \n", min_size=1, max_size=30),
    limit=st.integers(0, 4),
    every=st.booleans(),
    at_prompt=st.booleans(),
)
def test_places_follow_the_text(
    tiny: Any, text: str, limit: int, every: bool, at_prompt: bool
) -> None:
    """By a regular expression over the text so far, token after token."""
    answer = tiny.tokenizer(text, add_special_tokens=False)["input_ids"]
    wanted = [3] if at_prompt else []
    for end in range(1, len(answer)):
        so_far, token = tiny.tokenizer.decode(answer[:end]), tiny.tokenizer.decode(answer[end - 1])
        inside_number = re.search(r"\d[,.] *\Z", so_far)
        if token.strip(" ") and re.search(r"[,.\n] *\Z", so_far) and (every or not inside_number):
            wanted.append(3 + end)
    places = Places(at_prompt=at_prompt, max_insertions=limit, every_delimiter=every)
    got = places.plan(tiny.tokenizer, [5, 6, 7], answer)
    assert got == wanted[: limit + at_prompt]


# --- training -------------------------------------------------------------------------------


def test_no_insertion_is_the_bare_backbone(tiny: Any) -> None:
    learner = learner_for(tiny, at_prompt=False, max_insertions=0)
    bare = Context2LoraLearner(tiny, seed=0, read_length=256)  # its branches start at zero
    mine, theirs = (x.loss(x.batch(EPISODES)) for x in (learner, bare))
    torch.testing.assert_close(mine.cross_entropy, theirs.cross_entropy, rtol=CLOSE, atol=CLOSE)
    assert (mine.exact, mine.targets, mine.asks) == (theirs.exact, theirs.targets, theirs.asks)


@torch.no_grad()
def test_rows_are_spliced_in_order(tiny: Any, weights: MemGenWeights) -> None:
    embed = tiny.model.get_input_embeddings()
    rows = [embed(torch.arange(5, 5 + n)) for n in (6, 9)]
    spliced = splice(weights.weaver, tiny.model, rows, [[4], [4, 7, 8]], at_prompt=True)
    assert spliced[0].sources.tolist() == [0, 1, 2, 3, -1, -1, -1, 4, 5]
    assert spliced[1].sources.tolist() == [*(0, 1, 2, 3, -1, -1, -1, 4, 5, 6, -1, -1, 7, -1, -1, 8)]
    for row, entries in zip(rows, spliced, strict=True):
        assert torch.equal(entries.entries[entries.sources >= 0], row)
    # each insertion reads all that is before it, earlier latents too, and nothing else
    second = spliced[1].entries
    for start, end in ((4, 7), (10, 12), (13, 15)):
        alone = weights.weaver.weave(tiny.model, [second[:start]], at_prompt=start == 4)[0]
        torch.testing.assert_close(second[start:end], alone, rtol=CLOSE, atol=CLOSE)


@torch.no_grad()
def test_latents_change_what_comes_after_them_only(tiny: Any, weights: MemGenWeights) -> None:
    embed = tiny.model.get_input_embeddings()
    ids = torch.tensor(ids_of(tiny, TALK, QUESTIONS[0]))
    row, place = embed(ids), len(ids) - 4

    def logits(x: Any) -> Any:
        """(T, V): what predicts each token's follower."""
        (spliced,) = splice(weights.weaver, tiny.model, [x], [[place]], at_prompt=True)
        found = tiny.model(inputs_embeds=spliced.entries[None]).logits[0]
        before = (spliced.sources >= 0).roll(-1)
        before[-1] = True  # the entry in front of each token, and the last
        return found[before]

    bare, woven = tiny.model(ids[None]).logits[0], logits(row)
    assert len(woven) == len(bare)
    torch.testing.assert_close(woven[: place - 1], bare[: place - 1], rtol=CLOSE, atol=CLOSE)
    # the first token after the insertion is predicted by the last latent
    assert not torch.allclose(woven[place - 1], bare[place - 1], atol=0.1)
    changed = row.clone()
    changed[10] = embed(torch.tensor(7))
    late, early = logits(changed), logits(row)
    torch.testing.assert_close(late[:10], early[:10], rtol=CLOSE, atol=CLOSE)
    assert not torch.allclose(late[place - 1], early[place - 1], atol=1e-3)


def test_the_loss_by_hand(tiny: Any, weights: MemGenWeights) -> None:
    """One ask at a time: weave, put in, and sum over answer tokens."""
    learner = learner_for(tiny, prompt_latents=3, inference_latents=2)
    learner.weights.load_state_dict(weights.state_dict())
    objective = learner.loss(learner.batch(EPISODES))
    total, embed = 0.0, tiny.model.get_input_embeddings()
    with torch.no_grad():
        for row in learner.batch(EPISODES).rows:
            plan = learner.places.plan(tiny.tokenizer, row.prompt, row.answer)
            assert len(plan) == 2  # after the prompt and after the full stop
            entries, used = embed(torch.tensor([], dtype=torch.long)), 0
            for number, place in enumerate([*plan, len(row.ids)]):
                for token in row.ids[used:place]:
                    if used >= len(row.prompt):
                        logits = tiny.model(inputs_embeds=entries[None]).logits[0, -1]
                        total += float(cross_entropy(logits, torch.tensor(token)))
                    entries = torch.cat([entries, embed(torch.tensor([token]))])
                    used += 1
                if place < len(row.ids):
                    made = weights.weaver.weave(tiny.model, [entries], at_prompt=number == 0)
                    entries = torch.cat([entries, made[0]])
    assert float(objective.cross_entropy.detach()) == pytest.approx(total, rel=CLOSE)


def test_only_the_weaver_is_trained(tiny: Any) -> None:
    learner, before = learner_for(tiny), sha(tiny.model)
    scatter(learner.weights, seed=1, size=0.02)
    learner.loss(learner.batch(EPISODES)).cross_entropy.backward()
    weaver = dict(learner.weights.weaver.named_parameters())
    assert {"prompt.vectors", "inference.scale", "into.weight", "out.bias"} < set(weaver)
    assert all(p.grad is not None and p.grad.any() for p in weaver.values())
    assert {id(p) for p in learner.parameters()} == {id(p) for p in weaver.values()}
    assert all(p.grad is None for p in learner.weights.trigger.parameters())
    assert all(p.grad is None for p in tiny.model.parameters())
    assert sha(tiny.model) == before


def test_training_learns_and_leaves_the_backbone(tiny: Any, tmp_path: Path) -> None:
    learner, before = learner_for(tiny, max_insertions=1), sha(tiny.model)
    reports = fit(learner, tmp_path / "run", NONSENSE, steps=40, learning_rate=3e-3)
    assert reports[-1].loss < 0.1 * reports[0].loss
    assert reports[-1].em == 1
    assert sha(tiny.model) == before
    saved = learner.save(tmp_path / "weights", card={"steps": 40})
    method = written(MemGen(tiny, weights=str(saved), max_insertions=1), TALK)
    assert texts(method)[:2] == ["Today Ada is in Lima.", "Today Ben is in Baku."]


def test_a_resumed_run_ends_in_the_same_weights(tiny: Any, tmp_path: Path) -> None:
    whole, resumed = stopped_and_resumed(lambda seed: learner_for(tiny, seed), tmp_path)
    weaver = dict(whole.weights.weaver.named_parameters())
    again = dict(resumed.weights.weaver.named_parameters())
    assert all(torch.equal(again[name], weight) for name, weight in weaver.items())


# --- decoding -------------------------------------------------------------------------------


@torch.no_grad()
def from_scratch(
    backbone: Any, weights: MemGenWeights, places: Places, ids: list[int], *, ask_trigger: bool
) -> tuple[str, int]:
    """Decode greedily with nothing cached: the oracle. The text, and the insertions within it."""
    embed, model = backbone.model.get_input_embeddings(), backbone.model
    entries, answer, inserted = embed(torch.tensor(ids)), [], 0

    def wanted() -> bool:
        place = places.at_prompt
        if answer:
            before = answer[-2] if len(answer) > 1 else None
            place = inserted < places.max_insertions and places.is_delimiter(
                backbone.tokenizer, before, answer[-1]
            )
        if not place or not ask_trigger:
            return place
        with weights.trigger.lora.attach(model):
            hidden = model.get_decoder()(inputs_embeds=entries[None]).last_hidden_state[0, -1]
        said = weights.trigger.head(hidden)
        return bool(said[1] > said[0])

    for _ in range(LONG.max_new_tokens):
        if wanted():
            made = weights.weaver.weave(model, [entries], at_prompt=not answer)[0]
            entries = torch.cat([entries, made])
            inserted += bool(answer)
        answer.append(int(model(inputs_embeds=entries[None]).logits[0, -1].argmax()))
        if answer[-1] in backbone.stop_ids:
            break
        entries = torch.cat([entries, embed(torch.tensor(answer[-1:]))])
    return backbone.decode(answer), inserted


@pytest.mark.parametrize("trigger", ["always", "learnt"])
@pytest.mark.parametrize("at_prompt", [True, False], ids=["prompt", "inside"])
@pytest.mark.parametrize("context", CONTEXTS)
def test_cached_decoding_is_decoding_from_scratch(
    tiny: Any, weights: MemGenWeights, folder: Path, context: str, at_prompt: bool, trigger: str
) -> None:
    method = MemGen(
        tiny,
        context=context,
        weights=str(folder),
        trigger=trigger,
        at_prompt=at_prompt,
        max_insertions=2,
    )
    written(method, TALK, OTHER)
    inserted = 0
    for history, talk in enumerate((TALK, OTHER)):
        answers = texts(method, history, LONG)
        for question, answer in zip(QUESTIONS, answers, strict=True):
            wanted, count = from_scratch(
                tiny,
                weights,
                method.places,
                ids_of(tiny, talk if context == "visible" else (), question),
                ask_trigger=trigger == "learnt",
            )
            assert answer == wanted
            inserted += count
    assert at_prompt or inserted
    bare = texts(written(Frozen(tiny, context=context), TALK), 0, LONG)
    assert not at_prompt or texts(method, 0, LONG) != bare


def woven(backbone: Any, weights: MemGenWeights, places: Places, *, batch: int = 1) -> WovenLogits:
    seen = Readings.start(backbone.model, weights, batch=batch, ask_trigger=False)
    return WovenLogits(backbone, weights, places, seen=seen)


@torch.no_grad()
def test_without_places_every_logit_is_the_backbones(tiny: Any, weights: MemGenWeights) -> None:
    step, cache = woven(tiny, weights, NOWHERE), MemoryCache(config=tiny.model.config)
    bare = MemoryCache(config=tiny.model.config)
    ids = torch.tensor([ids_of(tiny, TALK, QUESTIONS[0])])
    mask = torch.ones_like(ids, dtype=torch.bool)
    for _ in range(5):
        positions = (mask.long().cumsum(1) - 1)[:, -ids.shape[1] :]
        got = step(ids, mask, positions, cache, [0])
        wanted = tiny.model(
            input_ids=ids,
            attention_mask=mask.long(),
            position_ids=positions,
            past_key_values=bare,
            logits_to_keep=1,
        ).logits[:, -1]
        assert torch.equal(got, wanted)
        ids = got.argmax(-1, keepdim=True)
        mask = torch.cat([mask, mask.new_ones(1, 1)], dim=1)


@torch.no_grad()
@pytest.mark.parametrize("limit", [0, 1, 3])
def test_the_limit_holds_in_every_row(tiny: Any, weights: MemGenWeights, limit: int) -> None:
    """One row gets nothing but full stops, the other one every fourth time."""
    step = woven(tiny, weights, Places(at_prompt=False, max_insertions=limit), batch=2)
    stop, word = (tiny.tokenizer(t, add_special_tokens=False)["input_ids"][0] for t in (".", "a"))
    cache = MemoryCache(config=tiny.model.config)
    ids, mask = torch.tensor([[5, 6], [7, 8]]), torch.ones(2, 2, dtype=torch.bool)
    step(ids, mask, ids, cache, [0])
    for turn in range(1, 9):
        ids = torch.tensor([[stop], [word if turn % 4 else stop]])
        mask = torch.cat([mask, mask.new_ones(2, 1)], dim=1)
        step(ids, mask, ids, cache, [0])
        assert step.insertions == [min(turn, limit), min(turn // 4, limit)]
    turns = {
        turn for turn in range(1, 9) if turn <= limit or (turn % 4 == 0 and turn // 4 <= limit)
    }
    assert cache.get_seq_length() == 10 + 2 * len(turns)  # two latents where either row has some


@pytest.mark.parametrize("context", CONTEXTS)
def test_a_trigger_that_says_no_is_the_bare_backbone(tiny: Any, folder: Path, context: str) -> None:
    bare = texts(written(Frozen(tiny, context=context), TALK))
    never = MemGen(tiny, context=context, weights=str(folder), trigger="never")
    assert texts(written(never, TALK)) == bare
    asked = MemGen(tiny, context=context, weights=str(folder), trigger="learnt")
    always = MemGen(tiny, context=context, weights=str(folder))
    head = asked.weights.trigger.head
    head.weight.zero_()
    head.bias.copy_(torch.tensor([1.0, -1.0]))
    assert texts(written(asked, TALK)) == bare
    head.bias.copy_(torch.tensor([-1.0, 1.0]))
    assert texts(written(asked, TALK)) == texts(written(always, TALK)) != bare


@pytest.mark.parametrize("context", CONTEXTS)
def test_batches_and_order_change_nothing(tiny: Any, folder: Path, context: str) -> None:
    sampled = Decoding(max_new_tokens=10, temperature=0.8)
    method = written(MemGen(tiny, context=context, weights=str(folder)), TALK, OTHER)
    asked = [*prompts(0), *prompts(1)]
    for decoding in (GREEDY, sampled):
        together = [a.text for a in method.answer(asked, decoding)]
        alone = [method.answer([p], decoding)[0].text for p in reversed(asked)][::-1]
        assert together == alone


def test_a_history_in_pieces_and_a_round_trip(tiny: Any, folder: Path) -> None:
    once, twice, other = (MemGen(tiny, weights=str(folder)) for _ in range(3))
    written(once, OTHER)
    twice.write([History(messages=OTHER[:1])])
    twice.write([History(messages=OTHER[1:])])
    assert texts(twice) == texts(once)
    other.load_state_dict(once.state_dict())
    assert texts(other) == texts(once)
    once.reset()
    assert texts(once) == texts(MemGen(tiny, weights=str(folder)))


def test_sliding_windows_are_asked_one_at_a_time(make_model: Any, tiny: Any) -> None:
    """Padding and masked columns would count as distance."""
    model = make_model("gemma3", vocab_size=len(tiny.tokenizer))
    backbone = replace(tiny, model=model, fingerprint="gemma")
    weights = MemGenWeights(model, prompt_latents=2, inference_latents=2)
    scatter(weights.initialise(model, seed=0), seed=1).requires_grad_(False)
    method = MemGen.__new__(MemGen)
    method.weights, method.places, method._trigger = weights, Places(), "always"
    Frozen.__init__(method, backbone)
    written(method, TALK, OTHER)
    for prompt, answer in zip(
        [*prompts(0), *prompts(1)], method.answer([*prompts(0), *prompts(1)], LONG), strict=True
    ):
        talk = (TALK, OTHER)[prompt.history]
        ids = ids_of(backbone, talk, prompt.question)
        assert answer.text == from_scratch(backbone, weights, Places(), ids, ask_trigger=False)[0]


def test_settings_and_weights_that_do_not_fit(tiny: Any, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="`deltamem train method=memgen`"):
        MemGen(tiny)
    with pytest.raises(InvalidInput, match="method.trigger is 'on'; choose one of always, never"):
        MemGen(tiny, weights=str(folder), trigger="on")
    untrained = learner_for(tiny).save(tmp_path, card={})
    with pytest.raises(InvalidInput, match="the trigger in .* was never trained"):
        MemGen(tiny, weights=str(untrained), trigger="learnt")
    said = MemGen(tiny, weights=str(folder)).describe().deciding
    assert json.loads(json.dumps(said)) == said
    assert said["trained_parameters"] == sum(
        p.numel()
        for p in MemGenWeights(tiny.model, prompt_latents=3, inference_latents=2).parameters()
    )
    assert said != MemGen(tiny, weights=str(folder), max_insertions=0).describe().deciding


def test_prompts_of_different_lengths_side_by_side(tiny: Any, weights: MemGenWeights) -> None:
    rows = [ids_of(tiny, talk, QUESTIONS[0]) for talk in ((), TALK, OTHER)]
    together = generate(
        tiny,
        rows,
        LONG,
        seeds=[0, 0, 0],
        next_logits=woven(tiny, weights, Places(), batch=3),
        rows_stay=True,
    )
    for ids, answer in zip(rows, together, strict=True):
        assert answer.text == from_scratch(tiny, weights, Places(), ids, ask_trigger=False)[0]
