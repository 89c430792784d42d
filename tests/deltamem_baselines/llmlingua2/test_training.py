"""A compressor that is trained: it learns its teacher, resumes, loads, and the package loads it."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from trained_baselines import EPISODES, NONSENSE, fit, stopped_and_resumed

from deltamem import InvalidInput
from deltamem.training import Episode
from deltamem_base.faults import Unavailable
from deltamem_baselines.llmlingua2 import CompressorLearner, LLMLingua2
from deltamem_baselines.llmlingua2.teacher import Surprisal, kept_words, word_surprisals
from deltamem_cli.training_data import RecallData
from deltamem_evaluations.sample import History

RATE = 0.5
SENTENCES = (
    "Today Ada is in Oslo. Today Ben is with Clara.",
    'Caroline said, "Hey Mel! Good to see you!" in Café Zürich.\nThe Bus was late.',
)


def recall(count: int, *, seed: int = 7) -> list[Episode]:
    data = RecallData(
        size=count, seed=seed, max_facts=4, held_out=8, easy_facts=1, easy_share=0.0
    ).load()
    return [data.episodes[i] for i in range(count)]


def learner_for(backbone: Any, seed: int = 0, **settings: Any) -> CompressorLearner:
    made = CompressorLearner(
        backbone, seed=seed, read_length=256, **{"start": "scratch", **settings}
    )
    made.prepare(EPISODES)
    return made


@pytest.fixture(scope="module")
def trained(tiny: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained from scratch until it agrees with its teacher, with what was measured."""
    root, episodes = tmp_path_factory.mktemp("trained"), recall(160)
    learner = CompressorLearner(tiny, seed=0, read_length=256, start="scratch")
    learner.prepare(episodes)
    before = learner.measured(recall(8, seed=8))
    fit(learner, root / "run", episodes, steps=20, batch_size=8, micro_batch_size=8, seed=0)
    after = learner.measured(recall(8, seed=8))
    agreement = "held-out agreement with the teacher"
    assert before[agreement] < 0.75 < 0.9 < after[agreement]
    assert 0.4 < after["held-out retention"] < 0.65
    return learner.save(root / "adapter", card={**after, "steps": 20})


def compressed(method: LLMLingua2, texts: Any = SENTENCES) -> list[str]:
    method.reset()
    messages = tuple({"role": "user", "content": text} for text in texts)
    method.write([History(messages=messages)])
    return [message["content"] for message in method.state_dict()["messages"][0]]


def test_what_it_learns_is_what_the_teacher_keeps(tiny: Any) -> None:
    """Labels of a batch against the teacher asked about each text alone; no question is read."""
    learner = learner_for(tiny)
    batch = learner.batch(EPISODES)
    texts = list(dict.fromkeys(m["content"] for e in EPISODES for m in e.written))
    wanted, rows, surprisal = [], [], Surprisal(tiny)
    for number, text in enumerate(texts):
        encoded = learner.pieces([text], add_special_tokens=False).encodings[0]
        words = [encoded.word_to_chars(i) for i in range(max(encoded.word_ids) + 1)]
        values = word_surprisals(text, words, surprisal([text])[0])
        wanted += kept_words(values, 0.5)
        rows += [number] * len(words)
    assert batch.kept.tolist() == wanted
    assert batch.row.tolist() == rows
    pieces = [learner.pieces(t, add_special_tokens=False).input_ids for t in texts]
    begin, end = learner.pieces.cls_token_id, learner.pieces.sep_token_id
    assert [ids[mask].tolist() for ids, mask in zip(batch.ids, batch.mask, strict=True)] == [
        [begin, *ids, end] for ids in pieces
    ]
    assert batch.targets == sum(map(len, pieces))
    assert learner.batch(NONSENSE).kept.tolist() == learner.batch(EPISODES[:1]).kept.tolist()


def test_the_loss_and_what_is_measured_by_hand(tiny: Any) -> None:
    learner = learner_for(tiny)
    batch = learner.batch(EPISODES)
    with torch.no_grad():
        objective = learner.loss(batch)
    loss, keeps, exact = 0.0, [], 0
    for row in range(len(batch.ids)):
        ids = batch.ids[row][batch.mask[row]]
        with torch.no_grad():
            chances = learner.model(input_ids=ids[None]).logits[0].double().softmax(-1)
        words = batch.words[row][batch.mask[row]]
        loss -= sum(
            float(chance[int(batch.kept[word])].log())
            for chance, word in zip(chances, words.tolist(), strict=True)
            if word >= 0
        )
        own = [w for w in range(len(batch.kept)) if batch.row[w] == row]
        said = [bool(chances[words == w, 1].mean() > 0.5) for w in own]
        exact += said == [bool(batch.kept[w]) for w in own]
        keeps += said
    assert float(objective.cross_entropy) == pytest.approx(loss, rel=1e-5)
    assert (objective.exact, objective.asks) == (exact, len(batch.ids))
    agreed = sum(a == b for a, b in zip(keeps, batch.kept.tolist(), strict=True))
    assert learner.measured(EPISODES) == {
        "held-out words": len(keeps),
        "held-out retention": pytest.approx(sum(keeps) / len(keeps), abs=1e-4),
        "held-out agreement with the teacher": pytest.approx(agreed / len(keeps), abs=1e-4),
    }
    assert learner.measured([]) == {}


def test_long_texts_are_learnt_in_rows_to_their_end(tiny: Any) -> None:
    text = " ".join(["Today Ada is in Oslo."] * 12)
    long = replace(EPISODES[0], written=({"role": "user", "content": text},))
    made = CompressorLearner(tiny, seed=0, read_length=20, start="scratch")
    made.prepare([long])
    batch = made.batch([long])
    assert batch.ids.shape[1] == 20
    assert len(batch.kept) == 6 * 12
    assert batch.targets == len(made.pieces(text, add_special_tokens=False).input_ids)
    whole = learner_for(tiny)
    whole.prepare([long])
    assert batch.kept.tolist() == whole.batch([long]).kept.tolist()


def test_titles_speakers_and_instructions_are_not_learnt(tiny: Any) -> None:
    written = (
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Ada: Oslo is far", "speaker": "Ada"},
    )
    batch = learner_for(tiny).batch([replace(EPISODES[0], written=written)])
    assert len(batch.kept) == len((":", "Oslo", "is", "far"))


def test_stopping_and_resuming_changes_nothing(tiny: Any, tmp_path: Path) -> None:
    whole, parts = stopped_and_resumed(lambda seed: learner_for(tiny, seed), tmp_path)
    other = parts.state_dict()
    assert all(torch.equal(weight, other[name]) for name, weight in whole.state_dict().items())
    fresh = learner_for(tiny).state_dict()
    assert any(not torch.equal(weight, fresh[name]) for name, weight in other.items())


def test_what_was_trained_loads_and_says_what_it_is(tiny: Any, trained: Path) -> None:
    method = LLMLingua2(tiny, weights=str(trained), rate=RATE, force_tokens=())
    stored, loaded = load_file(trained / "model.safetensors"), method._trained.model.state_dict()
    same = {name for name, weight in stored.items() if torch.equal(weight, loaded[name])}
    resized = "bert.embeddings.word_embeddings.weight"  # the package adds words of its own
    assert same == stored.keys() - {resized}
    said = method.describe().deciding
    card = (trained / "README.md").read_text()
    assert said["variant"] == "small compressor trained here from scratch"
    assert (said["start"], said["kept"]) == ("scratch", 0.5)
    assert f"| held-out agreement with the teacher | {said['agreement']} |" in card
    assert f"| held-out retention | {said['retention']} |" in card
    assert said["trained_parameters"] == CompressorLearner.trained_parameters(None, start="scratch")
    texts = [m["content"] for e in recall(30, seed=9) for m in e.written]
    method.write([History(messages=tuple({"role": "user", "content": t} for t in texts))])
    method.reset()
    messages = tuple({"role": "user", "content": t} for t in texts)
    (report,) = method.write([History(messages=messages)])
    assert RATE - 0.15 < report.realised_rate <= RATE + 0.02


def test_the_package_loads_the_folder_and_compresses_alike(
    tiny: Any, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its own constructor, in a folder of the name that it wants."""
    import llmlingua.prompt_compressor as package

    class Counter:
        def encode(self, text: str) -> list[int]:
            return list(tiny.tokenizer(text, add_special_tokens=False).input_ids)

    monkeypatch.setattr(package.tiktoken, "encoding_for_model", lambda name: Counter())
    folder = shutil.copytree(trained, tmp_path / "bert-base-multilingual-cased")
    with torch.random.fork_rng():
        theirs = package.PromptCompressor(
            str(folder), "cpu", {"trust_remote_code": False}, use_llmlingua2=True
        )
        wanted = [
            theirs.compress_prompt_llmlingua2(
                [text], rate=RATE, force_tokens=["\n", ".", "?", "!"], drop_consecutive=True
            )["compressed_prompt"].strip()
            for text in SENTENCES
        ]
    ours = compressed(LLMLingua2(tiny, weights=str(trained), rate=RATE))
    assert [text.strip() for text in ours] == wanted
    assert all(0 < len(w) < len(t) for w, t in zip(wanted, SENTENCES, strict=True))


def test_loading_asks_no_network_and_runs_nothing(
    tiny: Any, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("the network was asked")

    folder = shutil.copytree(trained, tmp_path / "planted")
    (folder / "modeling.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    for name in ("config.json", "tokenizer_config.json"):
        content = json.loads((folder / name).read_text())
        content["auto_map"] = dict.fromkeys(
            ("AutoConfig", "AutoModelForTokenClassification", "AutoTokenizer"), "modeling.Any"
        )
        (folder / name).write_text(json.dumps(content))
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    method = LLMLingua2(tiny, weights=str(folder), rate=RATE)
    assert compressed(method) == compressed(LLMLingua2(tiny, weights=str(trained), rate=RATE))
    assert not (tmp_path / "ran").exists()


Spoil = Callable[[Path], None]


def edit(name: str, change: Callable[[Any], Any]) -> Spoil:
    def spoil(folder: Path) -> None:
        content = json.loads((folder / name).read_text())
        change(content)
        (folder / name).write_text(json.dumps(content))

    return spoil


def without(tensor: str) -> Spoil:
    def spoil(folder: Path) -> None:
        tensors = load_file(folder / "model.safetensors")
        del tensors[tensor]
        save_file(tensors, folder / "model.safetensors")

    return spoil


@pytest.mark.parametrize(
    ("spoil", "said", "kind"),
    [
        (lambda f: (f / "model.safetensors").unlink(), "there is no baseline.safetensors", 4),
        (lambda f: (f / "model.safetensors").write_bytes(b"{}"), "is damaged", 2),
        (without("classifier.bias"), "lacks 1 tensors, the first is classifier.bias", 2),
        (lambda f: (f / "tokenizer.json").unlink(), "tokenizer.json", 2),
        (lambda f: (f / "tokenizer.json").write_text("{}"), "no tokenizer that can be read", 2),
        (edit("baseline.json", lambda c: c["settings"].pop("width")), "the key width is", 2),
        (edit("baseline.json", lambda c: c["settings"].update(heads=7)), "cannot have 7 heads", 2),
        (edit("baseline.json", lambda c: c["settings"].update(layers=99)), "lacks", 2),
        (edit("baseline.json", lambda c: c["settings"].update(inner=2**15)), "this backbone", 2),
        (edit("baseline.json", lambda c: c["settings"].update(vocabulary=10**9)), "at most", 2),
        (edit("baseline.json", lambda c: c.pop("learnt")), "the key start is missing", 2),
        (edit("baseline.json", lambda c: c["learnt"].update(start="x")), "start is", 2),
        (edit("baseline.json", lambda c: c.update(method="memgen")), "method=memgen", 2),
        (
            edit("tokenizer.json", lambda c: c["model"]["vocab"].pop("[UNK]")),
            r"has no \[UNK\]",
            2,
        ),
        (
            edit(
                "tokenizer.json",
                lambda c: c["model"]["vocab"].update(new=5000),
            ),
            "up to 5000, .* one of the two belongs to another",
            2,
        ),
    ],
)
def test_a_damaged_folder_ends_in_one_sentence(
    spoil: Spoil, said: str, kind: int, tiny: Any, trained: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(trained, tmp_path / "damaged")
    spoil(folder)
    with pytest.raises((InvalidInput, Unavailable, ValueError), match=said) as fault:
        LLMLingua2(tiny, weights=str(folder))
    assert fault.value.exit_code == kind
    assert "\n" not in str(fault.value)


def uncased(encoder_folder: Path, folder: Path) -> Path:
    """The encoder with a tokenizer that takes small letters without accents only."""
    shutil.copytree(encoder_folder, folder)
    edit("tokenizer.json", lambda c: c["normalizer"].update(lowercase=True, strip_accents=True))(
        folder
    )
    return folder


def test_it_starts_from_the_layers_of_an_encoder(
    tiny: Any, encoder_folder: Path, tmp_path: Path
) -> None:
    stored = load_file(encoder_folder / "model.safetensors")
    for layers, count in ((None, 2), (1, 1)):
        made = learner_for(tiny, start="pretrained", encoder=str(encoder_folder), layers=layers)
        own = {
            name.removeprefix("bert."): weight
            for name, weight in made.state_dict().items()
            if name.startswith("bert.")
        }
        assert all(torch.equal(weight, stored[name]) for name, weight in own.items())
        assert {n.split(".")[2] for n in own if n.startswith("encoder.layer")} == {
            str(i) for i in range(count)
        }
        folder = made.save(tmp_path / str(layers), card={})
        said = LLMLingua2(tiny, weights=str(folder), rate=RATE).describe().deciding
        assert said["variant"] == "compressor trained here"
        assert said["retention"] is None


def test_words_are_spelt_as_the_text_has_them(
    tiny: Any, encoder_folder: Path, tmp_path: Path
) -> None:
    """Of an uncased encoder the package gives small letters; the words and their order are its."""
    encoder = uncased(encoder_folder, tmp_path / "uncased")
    learner = learner_for(tiny, start="pretrained", encoder=str(encoder))
    method = LLMLingua2(tiny, weights=str(learner.save(tmp_path / "w", card={})), rate=0.7)
    shown = compressed(method)
    pipeline = method._compressor._pipeline
    for text, ours in zip(SENTENCES, shown, strict=True):
        pipeline.max_seq_len = 64
        theirs = pipeline.compress_prompt_llmlingua2(
            [text], rate=0.7, force_tokens=["\n", ".", "?", "!"], drop_consecutive=True
        )["compressed_prompt"]
        lower = pipeline.tokenizer.backend_tokenizer.normalizer.normalize_str
        assert lower(ours).split() == lower(theirs).split()
        assert ours != theirs.strip()
        rest = iter(text)
        assert all(letter in rest for letter in "".join(ours.split()))


def test_settings_that_do_not_go_together(
    tiny: Any, encoder_folder: Path, compressor_folder: Any, tmp_path: Path
) -> None:
    xlm = str(compressor_folder("tiny-xlm-roberta-large"))
    for settings, said in (
        ({"start": "warm"}, "start is 'warm'; choose one of pretrained, scratch"),
        ({"encoder": str(encoder_folder)}, "start=scratch takes no encoder"),
        ({"start": "pretrained", "encoder": str(encoder_folder), "layers": 3}, "encoder has 2"),
        ({"start": "pretrained", "encoder": xlm}, "not of a BERT encoder"),
    ):
        with pytest.raises(InvalidInput, match=said):
            learner_for(tiny, **settings)
    with pytest.raises(Unavailable, match="encoder=FOLDER"):
        learner_for(tiny, start="pretrained", encoder=str(tmp_path / "nowhere"))
    empty = replace(EPISODES[0], written=())
    with pytest.raises(InvalidInput, match="episode a: its history has no text"):
        learner_for(tiny).batch([empty])
