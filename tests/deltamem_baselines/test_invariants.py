"""What every memory method must keep to, δ-mem and the bare backbone among them.

    G1 frozen       no bit of the backbone changes
    G2 reset        nothing of a history is left
    G3 degenerate   a setting that must be the bare backbone is
    G4 append       two writes are one
    G5 pure         an answer does not depend on what was asked before
    G6 determinism  the same seed, the same bytes
    G7 round trip   a state that is saved and loaded gives the same answers
    G8 no peeking   a write sees a history and nothing else

Where one does not hold by design, its case says so and why.
"""

from __future__ import annotations

import copy
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import ROOT
from trained_baselines import EPISODES, OTHER, QUESTIONS, TALK, fit, scatter, sha

from deltamem import DeltaMemConfig, DeltaMemory
from deltamem.backbone import Backbone
from deltamem.method.delta_mem_method import DeltaMemMethod
from deltamem_baselines.bm25_rag import BM25RAG
from deltamem_baselines.context2lora.context2lora import Context2Lora, Context2LoraLearner
from deltamem_baselines.context2lora.per_context import Context2LoraPerContext
from deltamem_baselines.context2lora.synthesis import Examples
from deltamem_baselines.context2lora.write_time import WriteTimeTraining
from deltamem_baselines.frozen import Frozen
from deltamem_baselines.knnlm import KnnLm
from deltamem_baselines.llmlingua2 import CompressorLearner, LLMLingua2
from deltamem_baselines.memgen.memgen import MemGen, MemGenLearner
from deltamem_baselines.memorybank.forgetting import Forgetting
from deltamem_baselines.memorybank.memorybank import MemoryBank
from deltamem_baselines.mlp_memory.mlp_memory import MLPMemory, MLPMemoryLearner
from deltamem_baselines.trained.weights import weights_file
from deltamem_evaluations.sample import Cut, Decoding, History, Prompt

SAMPLED = Decoding(max_new_tokens=8, temperature=1.0)
"""Every logit of every step decides: texts that agree were drawn from the same distributions."""
GREEDY = Decoding(max_new_tokens=8)
"""Where sums are taken in another order, by which a draw could change."""

SYSTEM = {"role": "system", "content": "Be brief."}
FIRST = (SYSTEM, *TALK)
WHOLE = (*FIRST, *OTHER)

LEARNERS: Mapping[str, tuple[Any, Mapping[str, Any]]] = {
    "context2lora": (Context2LoraLearner, {}),
    "llmlingua2": (CompressorLearner, {"start": "scratch"}),
    "memgen": (MemGenLearner, {"prompt_latents": 3, "inference_latents": 2}),
    "mlp_memory": (MLPMemoryLearner, {"depth": 1}),
}


@dataclass(frozen=True, kw_only=True)
class World:
    """What methods are made of."""

    tiny: Backbone
    before: str
    """Of the backbone's weights, before anything was trained beside it."""
    encoder: str
    compressor: str
    trained: Mapping[str, str]
    """Folders of weights after two steps."""
    new: Mapping[str, str]
    """And before the first."""


def learn(name: str, tiny: Backbone, folder: Path, *, steps: int) -> str:
    kind, settings = LEARNERS[name]
    learner = kind(tiny, seed=0, read_length=256, **settings)
    learner.prepare(EPISODES)
    if steps:
        fit(learner, folder / "run", steps=steps, learning_rate=2e-2, warmup=0.0)
    return str(learner.save(folder / "weights", card={}))


@pytest.fixture(scope="session")
def world(
    tiny: Any,
    encoder_folder: Path,
    compressor_folder: Callable[[str], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> World:
    before, root = sha(tiny.model), tmp_path_factory.mktemp("world")
    trained, new = (
        {name: learn(name, tiny, root / f"{steps}" / name, steps=steps) for name in LEARNERS}
        for steps in (2, 0)
    )
    return World(
        tiny=tiny,
        before=before,
        encoder=str(encoder_folder),
        compressor=str(compressor_folder("tiny-bert-base-multilingual-cased")),
        trained=trained,
        new=new,
    )


Make = Callable[[World], Any]


@dataclass(frozen=True, kw_only=True)
class Case:
    """A method that does something, and what is declared of it."""

    make: Make
    degenerate: Make | None
    """With the setting that must be the bare backbone."""
    shows: str = "visible"
    """What the bare backbone sees that the degenerate setting must be."""
    textual: bool = False
    """The degenerate setting has the very prompt, in one pass."""
    after_reset: str | None = None
    """Why answers after a reset are not the bare backbone's."""
    impure: str | None = None
    """Why an answer depends on the questions before it."""


def delta_mem(world: World, *, context: str = "none", **settings: Any) -> DeltaMemMethod:
    memory = DeltaMemory(DeltaMemConfig(**settings), world.tiny.model)
    memory.initialise(world.tiny.model, seed=0)
    if not settings:
        scatter(memory, seed=1, size=0.1)
    memory.identity = memory.sha
    return DeltaMemMethod(world.tiny, memory, context=context)


def bank(world: World, **settings: Any) -> MemoryBank:
    small = {"embedder": world.encoder, "k": 1, "neighbour_chars": 0, "summary_tokens": 6}
    return MemoryBank(world.tiny, **{**small, **settings})


def per_context(world: World, *, steps: int = 3) -> Context2LoraPerContext:
    return Context2LoraPerContext(
        world.tiny,
        examples=Examples(form="text"),
        training=WriteTimeTraining(steps=steps, learning_rate=5e-2, batch_size=2),
    )


def lingua(world: World, rate: float) -> LLMLingua2:
    return LLMLingua2(world.tiny, compressor=world.compressor, rate=rate)


TRAINED = "what was trained before any history stays"
CASES: Mapping[str, Case] = {
    "frozen": Case(make=lambda w: Frozen(w.tiny), degenerate=None),
    "delta_mem": Case(make=delta_mem, degenerate=lambda w: delta_mem(w, init="zero"), shows="none"),
    "delta_mem, in view": Case(
        make=lambda w: delta_mem(w, context="visible"),
        degenerate=lambda w: delta_mem(w, context="visible", init="zero"),
    ),
    "bm25_rag": Case(
        make=lambda w: BM25RAG(w.tiny, k=1, unit="message"),
        degenerate=lambda w: BM25RAG(w.tiny, k=99, unit="message"),
        textual=True,
    ),
    "llmlingua2": Case(
        make=lambda w: lingua(w, 0.3), degenerate=lambda w: lingua(w, 1.0), textual=True
    ),
    "llmlingua2, trained here": Case(
        make=lambda w: LLMLingua2(w.tiny, weights=w.trained["llmlingua2"], rate=0.3),
        degenerate=lambda w: LLMLingua2(w.tiny, weights=w.trained["llmlingua2"], rate=1.0),
        textual=True,
    ),
    "memorybank": Case(
        make=bank, degenerate=lambda w: bank(w, k=99, summaries=False), textual=True
    ),
    "memorybank, vectors of the backbone": Case(
        make=lambda w: bank(w, embedder="backbone"),
        degenerate=lambda w: bank(w, embedder="backbone", k=99, summaries=False),
    ),  # the prompt is the bare backbone's, and it reads for its vectors besides
    "memorybank, reinforced": Case(
        make=lambda w: bank(w, forgetting=True, forgets=Forgetting(time_scale=1e9), reinforce=True),
        degenerate=lambda w: bank(
            w, k=99, summaries=False, forgetting=True, forgets=Forgetting(time_scale=1e9)
        ),
        textual=True,
        impure="what a question recalls is held better from then on; the state can be put back",
    ),
    "context2lora": Case(
        make=lambda w: Context2Lora(w.tiny, weights=w.trained["context2lora"]),
        degenerate=lambda w: Context2Lora(w.tiny, weights=w.new["context2lora"]),
        after_reset=TRAINED,
    ),
    "context2lora_per_context": Case(
        make=per_context, degenerate=lambda w: per_context(w, steps=0), shows="none"
    ),
    "memgen": Case(
        make=lambda w: MemGen(w.tiny, weights=w.trained["memgen"]),
        degenerate=lambda w: MemGen(w.tiny, weights=w.trained["memgen"], trigger="never"),
        after_reset=TRAINED,
    ),
    "mlp_memory": Case(
        make=lambda w: MLPMemory(w.tiny, weights=w.trained["mlp_memory"], interpolation=0.6),
        degenerate=lambda w: MLPMemory(w.tiny, weights=w.trained["mlp_memory"], interpolation=0.0),
        after_reset=TRAINED,
    ),
    "knnlm": Case(
        make=lambda w: KnnLm(w.tiny, interpolation=0.6),
        degenerate=lambda w: KnnLm(w.tiny, interpolation=0.0),
    ),
}
every = pytest.mark.parametrize("name", CASES)


def told(method: Any, *talks: Any) -> Any:
    """The method after one history for each talk."""
    method.reset(len(talks))
    method.write([History(messages=tuple(talk)) for talk in talks])
    return method


def asked(number: int, history: int = 0) -> Prompt:
    return Prompt(question=QUESTIONS[number], history=history, seed=number)


def texts(method: Any, history: int = 0, *, decoding: Decoding = SAMPLED) -> list[str]:
    prompts = [asked(number, history) for number in range(len(QUESTIONS))]
    return [answer.text for answer in method.answer(prompts, decoding)]


def same(one: Any, two: Any) -> bool:
    """Bit for bit."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, two)
    if isinstance(one, Mapping):
        return one.keys() == two.keys() and all(same(one[k], two[k]) for k in one)
    if isinstance(one, list | tuple):
        return len(one) == len(two) and all(map(same, one, two))
    return bool(one == two)


def test_every_method_has_a_case() -> None:
    methods = {path.stem for path in (ROOT / "conf" / "method").glob("*.yaml")}
    assert methods == {name.partition(",")[0] for name in CASES}


@every
def test_it_does_something(name: str, world: World) -> None:
    """Without this the rest would hold for a method that ignores histories."""
    case = CASES[name]
    method = told(case.make(world), FIRST, OTHER)
    assert texts(method, 0) != texts(method, 1)
    if case.degenerate is not None:
        bare = told(Frozen(world.tiny, context=case.shows), FIRST)
        assert texts(method) != texts(bare)


@every
def test_g1_frozen(name: str, world: World) -> None:
    """After training, writing, asking and a reset; nor is any hook left behind."""
    method = told(CASES[name].make(world), FIRST)
    texts(method)
    method.reset()
    assert sha(world.tiny.model) == world.before
    assert not any(p.requires_grad for p in world.tiny.model.parameters())
    modules = list(world.tiny.model.modules())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in modules)


@every
def test_g2_reset(name: str, world: World) -> None:
    case = CASES[name]
    method = told(case.make(world), WHOLE)
    method.reset()
    bare = case.make(world) if case.after_reset else Frozen(world.tiny, context="none")
    assert texts(method) == texts(bare)
    assert same(method.state_dict(), case.make(world).state_dict())


def read_ids(method: Any, backbone: Backbone) -> list[int]:
    """All tokens that go through the embeddings for one history and one question, in order."""
    seen: list[int] = []
    table = backbone.model.get_input_embeddings()
    handle = table.register_forward_pre_hook(
        lambda _, args: seen.extend(args[0].flatten().tolist())
    )
    try:
        told(method, FIRST).answer([asked(0)], replace(GREEDY, max_new_tokens=1))
    finally:
        handle.remove()
    return seen


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.degenerate])
def test_g3_degenerate(name: str, world: World) -> None:
    case = CASES[name]
    assert case.degenerate is not None
    method, bare = case.degenerate(world), Frozen(world.tiny, context=case.shows)
    told(method, FIRST, OTHER)
    told(bare, FIRST, OTHER)
    assert [texts(method, i) for i in (0, 1)] == [texts(bare, i) for i in (0, 1)]
    if case.textual:
        assert read_ids(method, world.tiny) == read_ids(bare, world.tiny)


@every
def test_g4_append(name: str, world: World) -> None:
    """Adapters that are trained per history too: a second piece trains on the whole again."""
    once, twice = told(CASES[name].make(world), WHOLE), told(CASES[name].make(world), FIRST)
    twice.write([History(messages=OTHER)])
    assert texts(twice, decoding=GREEDY) == texts(once, decoding=GREEDY)


@every
def test_g5_pure_answers(name: str, world: World) -> None:
    case = CASES[name]
    method = told(case.make(world), WHOLE)
    before = copy.deepcopy(method.state_dict())
    alone = method.answer([asked(2)], SAMPLED)[0].text
    texts(method)
    if case.impure:
        assert not same(method.state_dict(), before)
        method.load_state_dict(before)
    assert method.answer([asked(2)], SAMPLED)[0].text == alone
    if not case.impure:
        assert same(method.state_dict(), before)


@every
def test_g6_determinism(name: str, world: World) -> None:
    """Whatever the process drew before."""
    one = told(CASES[name].make(world), WHOLE)
    first = texts(one)
    torch.rand(3)
    two = told(CASES[name].make(world), WHOLE)
    assert texts(two) == first
    assert same(one.state_dict(), two.state_dict())
    assert one.describe() == two.describe()


@pytest.mark.parametrize("name", LEARNERS)
def test_g6_determinism_of_training(name: str, world: World, tmp_path: Path) -> None:
    again = learn(name, world.tiny, tmp_path, steps=2)
    one, two = (weights_file(Path(f)).read_bytes() for f in (again, world.trained[name]))
    assert one == two
    assert one != weights_file(Path(world.new[name])).read_bytes()


@every
def test_g7_round_trip(name: str, world: World) -> None:
    """Through a file that holds plain values and tensors only."""
    method = told(CASES[name].make(world), FIRST, OTHER)
    file = io.BytesIO()
    torch.save(method.state_dict(), file)
    file.seek(0)
    other = CASES[name].make(world)
    other.load_state_dict(torch.load(file, weights_only=True))
    assert [texts(other, i) for i in (0, 1)] == [texts(method, i) for i in (0, 1)]
    for both in (method, other):  # and it goes on from there
        both.write([History(messages=OTHER), History(messages=TALK)])
    assert texts(other, 1, decoding=GREEDY) == texts(method, 1, decoding=GREEDY)


class Sealed:
    """A history with what a write needs; whoever looks for more is told off."""

    join, cut, reserve = None, Cut(), 64

    def __init__(self, messages: Any) -> None:
        self.messages = self.written = tuple(messages)

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"a write looked for {name}")


@every
def test_g8_no_peeking(name: str, world: World) -> None:
    method, wanted = CASES[name].make(world), CASES[name].make(world)
    with pytest.raises(AssertionError, match="looked for question"):
        Sealed(FIRST).question  # noqa: B018
    method.reset()
    method.write([Sealed(FIRST)])
    wanted.write([History(messages=FIRST, reserve=64)])
    assert texts(method) == texts(wanted)


@every
def test_what_it_says_of_itself(name: str, world: World) -> None:
    """The same before and after a write; the write says how much it left."""
    method = CASES[name].make(world)
    said = method.describe()
    assert json.loads(json.dumps(said.deciding)).keys() == said.deciding.keys()
    reports = [method.write([History(messages=piece)])[0] for piece in (FIRST, OTHER)]
    assert method.describe() == said
    if said.adapter_sha is not None:  # δ-mem's state has one size, whatever was written
        return
    sizes = [report.state_bytes for report in reports]
    if said.state_bytes is None:
        assert 0 < sizes[0] < sizes[1]
    else:
        assert sizes == [said.state_bytes] * 2
