"""``fetch``, ``show``, ``score``, ``audit`` and ``list`` on small files of the released formats."""

from __future__ import annotations

import io
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import qasper_files
import test_fetch
import test_gpqa
import test_hotpotqa
import test_ifeval
import test_locomo
import test_longmemeval
import test_memory_agent_bench
import test_squad_benchmark
from test_ifeval import nltk_data  # noqa: F401
from test_jsonl import write_questions

from deltamem_cli.settings.groups import options

FEW = ("bench.dialogues=1", "bench.facts=[1,2]")
TRAINED = ("training.steps=1", "training.batch_size=2", "training.data.held_out=2")


@pytest.fixture
def _punkt(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NLTK_DATA", str(request.getfixturevalue("nltk_data")))


def hotpotqa(rows: int = 2) -> tuple[str, ...]:
    content = [test_hotpotqa.official(i + 1) for i in range(rows)]
    Path("hotpot.json").write_text(json.dumps(content))
    return "bench=hotpotqa", "bench.path=hotpot.json"


def gpqa() -> tuple[str, ...]:
    test_gpqa.write_csv(Path("gpqa_diamond.csv"), test_gpqa.record(1), test_gpqa.record(2))
    return "bench=gpqa", "bench.path=gpqa_diamond.csv"


def ifeval() -> tuple[str, ...]:
    test_ifeval.official(test_ifeval.ROWS, Path("input_data.jsonl"))
    return "bench=ifeval", "bench.path=input_data.jsonl"


def locomo() -> tuple[str, ...]:
    Path("locomo10.json").write_text(json.dumps([test_locomo.conversation()]))
    return "bench=locomo", "bench.path=locomo10.json"


def longmemeval() -> tuple[str, ...]:
    test_longmemeval.write_official(Path("lme.json"))
    return "bench=longmemeval", "bench.path=lme.json"


def jsonl() -> tuple[str, ...]:
    write_questions(Path("mine.jsonl"))
    return "bench=jsonl", "bench.path=mine.jsonl"


def memory_agent_bench() -> tuple[str, ...]:
    test_memory_agent_bench.release(Path("mab"))
    return "bench=memory_agent_bench", "bench.path=mab"


def squad() -> tuple[str, ...]:
    Path("squad.json").write_text(json.dumps(test_squad_benchmark.official()))
    return "bench=squad", "bench.path=squad.json"


def throughput() -> tuple[str, ...]:
    return "bench=throughput", "bench.tokens=64", "bench.repeats=2"


def recall() -> tuple[str, ...]:
    return ("bench=recall", *FEW)


def facts() -> tuple[str, ...]:
    return ("bench=facts", *FEW)


SHOWN = {
    facts: (
        5,
        4,
        ("single_hop/2", 2),
        "I heard that Greta drives a Lincoln.",
        "What does Greta drive?",
    ),
    recall: (5, 4, ("single_hop/2", 2), "Today Amir is in Oslo.", "Where is Amir today?"),
    throughput: (2, 2, None, "Then ", "Tell everything that happened"),
    jsonl: (3, 2, ("places", 2), "Clara is in Oslo.", "Where is Clara?"),
    hotpotqa: (2, 2, ("bridge", 2), "Passage 2 - Bo Ek:", "Where was Bo Ek born, 1?"),
    ifeval: (4, 4, ("punctuation:no_comma", 1), None, "Write about a cat without commas"),
    locomo: (5, 1, ("multi_hop", 1), "and shared a red kite.", "Question: Multi?"),
    longmemeval: (7, 7, ("abstention", 1), "user: I have repotted", "What did I repot?"),
    squad: (3, 2, None, "Rollo came to Normandy", "Who came?"),
    memory_agent_bench: (
        11,
        8,
        ("accurate_retrieval", 4),
        "Normandy is in France.",
        "Where is Normandy?",
    ),
}
"""Samples, histories, a group with its size, a piece of what is written and of what is shown."""


def test_every_benchmark_is_shown_here() -> None:
    assert {made.__name__ for made in SHOWN} | {"gpqa"} == set(options("bench"))


@pytest.mark.usefixtures("_punkt")
@pytest.mark.parametrize("made", SHOWN, ids=lambda made: made.__name__)
@pytest.mark.parametrize("context", ["visible", "none"])
def test_show(made: Callable[[], tuple[str, ...]], context: str, cli: Callable[..., Any]) -> None:
    samples, histories, group, written, asked = SHOWN[made]
    words = (*made(), f"context={context}")
    done = cli("show", *words, "--json")
    assert done.code == 0, done.err
    content = json.loads(done.out)
    assert (content["samples"], content["histories"]) == (samples, histories)
    assert group is None or group in content["groups"].items()
    assert len(content["fingerprint"]) == 16
    assert content["protocol"]["benchmark"] == words[0].partition("=")[2]
    first = content["first"]
    spans = "".join(span["text"] for span in first["written"])
    assert (written or "") in spans
    assert asked in first["shown"]
    assert first["shown"].endswith("<|im_start|>assistant\n")
    assert (written or "\0") not in first["shown"] or context == "visible"
    assert first["written_tokens"] == 0 or spans.startswith("<|im_start|>")
    assert first["decoding"]["max_new_tokens"] > 0
    if context == "none":
        return
    lines = cli("show", *words).out.splitlines()
    assert f"fingerprint  {content['fingerprint']}" in lines
    noun = "history" if histories == 1 else "histories"
    assert f"samples      {samples} about {histories} {noun}" in lines
    assert f"written to the memory ({first['written_tokens']} tokens):" in lines
    assert f"shown with the question ({first['shown_tokens']} tokens):" in lines
    assert any(line.startswith("  0 │ ") for line in lines) == bool(written)


@pytest.mark.parametrize("words", [(), ("--json",)], ids=["text", "json"])
def test_gated_questions_are_counted_and_withheld(
    words: tuple[str, ...], cli: Callable[..., Any]
) -> None:
    done = cli("show", *gpqa(), *words)
    assert done.code == 0, done.err
    assert "the questions of this benchmark must not be printed" in done.err
    assert "[withheld]" in done.out
    for secret in (test_gpqa.QUESTION.splitlines()[-1], *test_gpqa.OPTIONS):
        assert secret.splitlines()[-1] not in done.out + done.err


def test_show_needs_a_tokenizer_at_most(cli: Callable[..., Any]) -> None:
    from deltamem.backbone import tiny_folder

    folder = shutil.copytree(tiny_folder(), "weightless", ignore=lambda *_: ["model.safetensors"])
    named = ("model=qwen3-4b", f"model.id={folder}")
    content = json.loads(cli("show", *FEW, *named, "--json").out)
    assert content["first"]["shown"].startswith(
        "<|im_start|>user\nToday Amir is in Oslo.<|im_end|>"
    )
    done = cli("show", *FEW, "model=qwen3-4b")
    assert done.code == 0
    assert "note: shown as messages, because" in done.err
    assert "user: Where is Amir today?" in done.out.splitlines()


def test_show_says_what_a_method_or_control_does_otherwise(cli: Callable[..., Any]) -> None:
    assert "keeps of a history: nothing" in cli("show", *FEW, "method=frozen").err
    assert "control=no_write writes nothing" in cli("show", *FEW, "control=no_write").err
    assert "puts only a part into the prompt" in cli("show", *FEW, "method=bm25_rag").err
    assert cli("show", *FEW).err == ""


def test_show_says_that_the_window_is_too_small(locomo_file: Path, cli: Callable[..., Any]) -> None:
    done = cli("show", "bench=locomo", f"bench.path={locomo_file}")
    assert "the backbone attends to 2048 tokens, so the start of the history is cut" in done.err
    assert "samples      1986 about 10 histories" in done.out.splitlines()


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["bench=recal"], 2, "no bench 'recal' (did you mean 'recall'?)"),
        (["bench.facts=[1]", "bench.kinds=[two_hop]"], 2, "leaves no question"),
        (["bench=locomo", "bench.path=no.json"], 4, "no.json: there is no such file"),
        (["bench=hotpotqa"], 4, "hotpotqa/hotpot_qa is not on this machine"),
        (["bench=gpqa"], 4, "Idavidrein/gpqa is gated and not on this machine"),
    ],
    ids=str,
)
def test_nothing_to_show_or_audit(
    words: list[str],
    code: int,
    sentence: str,
    cli: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DELTAMEM_DATA", "nowhere")
    for verb in ("show", "audit") if "bench=gpqa" not in words else ("show",):
        done = cli(verb, *words)
        assert done.code == code, done.err
        assert sentence in done.err
        assert (len(done.err.splitlines()), done.out) == (1, "")


def run_of(cli: Callable[..., Any], *words: str) -> tuple[Path, dict[str, Any]]:
    done = cli("eval", "method=frozen", *words, "--json")
    assert done.code == 0, done.err
    record = json.loads(done.out)
    return Path(record["path"]).parent, record


def test_scoring_again_keeps_both_numbers(cli: Callable[..., Any]) -> None:
    folder, before = run_of(cli, *FEW)
    done = cli("score", str(folder), "--json")
    assert done.code == 0, done.err
    once = json.loads(done.out)
    assert once["metrics"] == before["metrics"]
    assert [e["metrics"] for e in once["rescored"]] == [before["metrics"]]
    # a run whose stored answers score otherwise: as if the scorer had changed
    samples = folder / "samples.jsonl"
    rows = [json.loads(line) for line in samples.read_text().splitlines()]
    right = [row for row in rows if row["scores"]["em"] == 1.0]
    right[0]["prediction"] = "I do not know."
    samples.write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = cli("score", str(folder))
    assert done.code == 0, done.err
    old, new = (len(right) - n for n in (0, 1))
    assert done.out.splitlines() == [
        f"em: {new / len(rows):.4f} ({old / len(rows):.4f} in the record; {len(rows)} answers)"
    ]
    twice = json.loads((folder / "record.json").read_text())
    assert twice["metrics"] == before["metrics"]
    first, second = twice["rescored"]
    assert first["metrics"] == before["metrics"]
    assert second["metrics"]["em"]["mean"] == pytest.approx(new / len(rows))
    assert second["fingerprint"] == before["fingerprint"]
    assert json.loads(Path(f"results/{before['cell']}.json").read_text()) == twice


def test_scoring_by_another_protocol(cli: Callable[..., Any]) -> None:
    words = hotpotqa(1)
    folder, record = run_of(cli, *words, "--limit", "1")
    done = cli("score", str(folder))
    assert done.code == 4
    assert "hotpotqa/hotpot_qa is not on this machine" in done.err
    done = cli("score", str(folder), words[1], "bench.protocol=paper", "--json")
    assert done.code == 0, done.err
    assert "note: the protocol or the data differs from the run's" in done.err
    (entry,) = json.loads(done.out)["rescored"]
    assert entry["fingerprint"] != record["fingerprint"]
    assert json.loads(done.out)["fingerprint"] == record["fingerprint"]


def test_scoring_with_the_settings_of_the_run(cli: Callable[..., Any]) -> None:
    """Lists, nulls, and text whose signs mean something on the command line."""
    for made, setting in [
        (memory_agent_bench, "bench.sources=[eventqa_*]"),
        (hotpotqa, r"""bench.revision='a, \'b\' [c]={d}:e \\'"""),
    ]:
        words = made()
        folder, record = run_of(cli, *words, setting, "--limit", "1")
        done = cli("score", str(folder), words[1], "--json")
        assert done.code == 0, done.err
        scored = json.loads(done.out)
        assert scored["config"]["bench"] == record["config"]["bench"]
        (entry,) = scored["rescored"]
        assert entry["metrics"] == record["metrics"]
        assert entry["fingerprint"] == record["fingerprint"]
    assert record["config"]["bench"]["revision"] == "a, 'b' [c]={d}:e \\"


def test_what_cannot_be_scored(cli: Callable[..., Any]) -> None:
    folder, _ = run_of(cli, *FEW, "--limit", "2")
    name = str(folder)
    Path("empty").mkdir()
    for words, code, sentence in [
        ([str(folder / "nowhere")], 4, "there is no folder"),
        (["empty"], 4, "empty holds no record.json: name the folder of a finished"),
        ([name, "bench=locomo"], 2, "a run of bench=recall is scored by that benchmark"),
        ([name, "model=tiny"], 2, "got 'model=tiny'"),
        ([name, "bench.sed=1"], 2, "there is no setting 'bench.sed' (did you mean 'bench.seed'"),
        ([name, "bench.seed=x"], 2, "bench.seed is 'x'"),
        ([name, "bench.seed=1"], 2, "had other references in the run than in this data"),
        ([name, "bench.facts=[16]"], 2, "answers to questions that are not in this data"),
    ]:
        done = cli("score", *words)
        assert (done.code, len(done.err.splitlines()), done.out) == (code, 1, ""), done.err
        assert sentence in done.err
    samples, record = folder / "samples.jsonl", folder / "record.json"
    samples.write_text("{}\n")
    assert "line 1: the key key is missing" in cli("score", name).err
    samples.write_text("")
    assert "has 0 answers, but its record counts 2" in cli("score", name).err
    samples.unlink()
    assert "the samples of recall__tiny__frozen" in cli("score", name).err
    whole = record.read_text()
    record.write_text(whole[:100])
    done = cli("score", name)
    assert done.code == 2
    assert "this is not JSON" in done.err
    record.write_text(json.dumps({**json.loads(whole), "config": {}}))
    assert "does not say with which settings" in cli("score", name).err


NO_MODEL = """
import sys
from deltamem_cli.app import app
from deltamem_cli.exits import exit_with
for words in (["list", "benchmarks"], ["fetch", "bench=recall"], ["score", sys.argv[1]]):
    assert exit_with(lambda: app(words)) == 0, words
print(*(name for name in ("torch", "transformers") if name in sys.modules))
"""


def test_neither_listing_nor_scoring_loads_a_model(cli: Callable[..., Any]) -> None:
    folder, _ = run_of(cli, *FEW, "--limit", "1")
    command = [sys.executable, "-c", NO_MODEL, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == ""


CHECKS = ("reset", "repeat", "order", "neighbours", "tokens", "restore", "writes", "gold")


@pytest.mark.usefixtures("_punkt")
@pytest.mark.parametrize("made", [recall, hotpotqa, locomo], ids=lambda made: made.__name__)
def test_the_bare_backbone_passes_the_audit(
    made: Callable[[], tuple[str, ...]], cli: Callable[..., Any]
) -> None:
    words = (*made(), "bench.max_new_tokens=8") if made is not locomo else made()
    done = cli("audit", "method=frozen", *words, "--limit", "2", "--json")
    assert done.code == 0, done.err + done.out
    content = json.loads(done.out)
    alone = {"neighbours", "restore"} if made is locomo else set()
    assert {c["name"]: c["passed"] for c in content["checks"]} == {
        name: None if name in alone else True for name in CHECKS
    }
    assert (content["findings"], content["passed"]) == ([], True)
    assert len(content["samples"]) == (1 if alone else 2)
    assert ("so neighbours and restore are not checked" in done.err) == bool(alone)


@pytest.mark.parametrize(
    "words",
    [
        ("method=bm25_rag", *FEW),
        ("method=knnlm", "context=none", *FEW),
        ("method=context2lora_per_context", "method.examples.form=text",
         "method.training.steps=1", "bench.dialogues=1", "bench.facts=[2]"),
    ],
    ids=lambda words: words[0],
)  # fmt: skip
def test_methods_that_keep_text_or_tokens_pass_the_audit(
    words: tuple[str, ...], cli: Callable[..., Any]
) -> None:
    done = cli("audit", *words, "--limit", "2")
    assert done.code == 0, done.out
    assert [line.split()[:2] for line in done.out.splitlines()] == [["pass", c] for c in CHECKS]


def test_a_trained_memory_passes_the_audit(cli: Callable[..., Any]) -> None:
    assert cli("train", "writer=tsw", *TRAINED, "training.data.max_facts=2").code == 0
    for context in ("none", "visible"):
        few = (*FEW, "bench.kinds=[single_hop]", f"context={context}")
        done = cli("audit", *few, "method=delta_mem", "writer=tsw")
        assert done.code == 0, done.err
        lines = [line.split()[:2] for line in done.out.splitlines()]
        assert lines == [["pass", name] for name in CHECKS]


COUNTING = """
from dataclasses import replace
from deltamem_baselines.frozen import Frozen

class Counting(Frozen):
    asked = 0

    def answer(self, prompts, decoding, **pace):
        self.asked += 1
        said = super().answer(prompts, decoding)
        return [replace(answer, text=f"{answer.text} {self.asked}") for answer in said]
"""


def test_a_fault_is_named_with_its_sample(
    cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("counting_method.py").write_text(COUNTING)
    monkeypatch.syspath_prepend(os.getcwd())
    planted = ("method=frozen", "method._target_=counting_method.Counting")
    refused = cli("audit", *planted, *FEW)
    assert (refused.code, refused.out) == (2, "")
    assert "'counting_method.Counting' is not a class of deltamem_base, deltamem, " in refused.err
    # a folder of its own: what one search path registers is looked up once in a process
    registered = Path("installed", "counting-1.0.dist-info")
    registered.mkdir(parents=True)
    (registered / "METADATA").write_text("Metadata-Version: 2.1\nName: counting\nVersion: 1.0\n")
    (registered / "entry_points.txt").write_text("[deltamem.plugins]\nit = counting_method\n")
    monkeypatch.syspath_prepend(os.path.abspath("installed"))
    done = cli("audit", *planted, *FEW, "bench.kinds=[single_hop]")
    assert done.code == 3
    lines = done.out.splitlines()
    assert "pass  reset       the memory is empty when a sample starts" in lines
    assert any(line.startswith("FAIL  repeat") for line in lines)
    (finding, *_) = [line for line in lines if line.startswith("  repeat: ")]
    assert finding.startswith("  repeat: sample test-single_hop-1-0-q0: 'Today Amir is in")
    done = cli("audit", *planted, *gpqa(), "bench.max_new_tokens=8", "--json")
    assert done.code == 3
    said = [f["what"] for f in json.loads(done.out)["findings"] if f["check"] == "repeat"]
    assert said == ["[withheld], then [withheld]"] * 2


class Hub(test_fetch.Hub):
    """The same server for several data sets, of which it gates one."""

    def do_GET(self) -> None:  # noqa: N802
        for name in ("hotpotqa/hotpot_qa", "allenai/qasper", "some/talks"):
            self.path = self.path.replace(name, "some/data")
        self.path = self.path.replace("Idavidrein/gpqa", "some/gated")
        super().do_GET()

    do_HEAD = do_GET  # noqa: N815


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    made = parquet([test_hotpotqa.hub(1), test_hotpotqa.hub(2)])
    files = {"distractor/validation-00000-of-00001.parquet": made, "README.md": b"#"}
    monkeypatch.setattr(test_fetch, "FILES", files)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def fetch_from(hub: str, *words: str) -> subprocess.CompletedProcess[str]:
    """huggingface_hub reads its endpoint when it is imported, so a fresh process it is."""
    env = {
        **os.environ,
        "HF_ENDPOINT": hub,
        "DELTAMEM_DATA": "data",
        "HF_HUB_OFFLINE": "0",
        "HF_HOME": "hf",
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    command = [sys.executable, "-m", "deltamem_cli", "fetch", *words]
    return subprocess.run(command, env=env, capture_output=True, text=True)


def test_fetch_then_show(
    hub: str, cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    done = fetch_from(hub, "bench=gpqa,hotpotqa", "--json")
    assert done.returncode == 4
    assert "hotpotqa: CC BY-SA 4.0" in done.stderr
    gate, data = json.loads(done.stdout)["rows"]
    assert gate["path"] is None
    assert gate["fault"].startswith("Idavidrein/gpqa is gated: accept its terms on https://hugg")
    assert data == {"bench": "hotpotqa", "path": "data/hotpotqa__hotpot_qa", "fault": None}
    monkeypatch.setenv("DELTAMEM_DATA", "data")
    shown = cli("show", "bench=hotpotqa", "--json")
    assert shown.code == 0, shown.err
    assert json.loads(shown.out)["data"]["revision"] == test_fetch.COMMIT
    assert json.loads(shown.out)["samples"] == 2
    # complete: the second time no network is asked
    assert cli("fetch", "bench=hotpotqa").out == "hotpotqa: data/hotpotqa__hotpot_qa\n"
    for damage in ('{"id', "[]"):
        Path("data/hotpotqa__hotpot_qa/manifest.json").write_text(damage)
        done = cli("fetch", "bench=hotpotqa")
        assert done.code == 4
        assert "manifest.json is damaged: remove it and fetch again" in done.err


def parquet(rows: list[dict[str, Any]]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), sink)
    return sink.getvalue()


def test_fetch_training_data_then_show_it(
    hub: str, cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = qasper_files.hub_rows()
    files = {
        "qasper/train/0000.parquet": parquet(rows),
        "qasper/validation/0000.parquet": parquet(rows[:1]),
        "other/train/0000.parquet": parquet(rows[:1]),
    }
    monkeypatch.setattr(test_fetch, "FILES", files)
    done = fetch_from(hub, "data=qasper", "--json")
    assert done.returncode == 0, done.stderr
    assert "qasper: CC BY 4.0" in done.stderr
    (row,) = json.loads(done.stdout)["rows"]
    assert row == {"data": "qasper", "path": "data/allenai__qasper", "fault": None}
    manifest = json.loads((Path(row["path"]) / "manifest.json").read_text())
    assert list(manifest["files"]) == [name for name in files if name.startswith("qasper/")]
    monkeypatch.setenv("DELTAMEM_DATA", "data")
    shown = cli("show", "training=qasper_8192", "training.data.size=null", "--json")
    assert shown.code == 0, shown.err
    content = json.loads(shown.out)
    assert (content["source"]["revision"], content["source"]["papers"]) == (test_fetch.COMMIT, 3)
    monkeypatch.setattr(test_fetch, "FILES", {"a.jsonl": b'{"messages": []}\n'})
    done = fetch_from(hub, "data=chat", "data.id=some/talks")
    assert (done.returncode, done.stdout) == (0, "chat: data/some__talks\n")
    done = cli("train", "training=chat", "training.data.id=some/talks")
    assert (done.code, len(done.err.splitlines())) == (2, 1)
    assert "some/talks: none of 1 rows can be used (no messages 1)" in done.err


def test_no_network() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    done = fetch_from(address, "bench=hotpotqa,gpqa")
    assert done.returncode == 4
    assert done.stdout == ""
    faults = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(faults) == 2
    assert len(done.stderr.splitlines()) == 4  # and a licence each
    assert faults[0].startswith("error: hotpotqa: hotpotqa/hotpot_qa is not on this machine")
    assert "run this where there is a network" in faults[1]
    assert "it is gated: first accept its terms" in faults[1]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "name what to fetch: bench=all, or bench= one of facts, gpqa, hotpotqa"),
        ([], "or data= one of chat, punkt_tab, qasper"),
        ([], "or model= one of minilm, smollm2-135m"),
        (["model=qwen3-4b"], "fetch takes model= one of minilm, smollm2-135m; 'qwen3-4b' is fetch"),
        (["model=minilm", "model.id=x"], "model=minilm has no settings: leave out 'model.id=x'"),
        (["data="], "name what to fetch"),
        (["data=nonsense"], "no data 'nonsense'; choose one of chat, qasper"),
        (["bench=recall", "data=qasper"], "name what to fetch"),
        (["data=qasper", "bench.revision=x"], "takes data=NAME and data.KEY=VALUE, not"),
        (["data=qasper", "data.path=x.json"], "does not need to be fetched"),
        (["data=qasper,chat", "data.id=x"], "a setting of a single data set, but 2 were named"),
        (["data=chat"], "name a data set of the hub with data.id=ID"),
        (["recall"], "name what to fetch"),
        (["bench="], "name what to fetch"),
        (["bench=nonsense"], "no bench 'nonsense'; choose one of facts, gpqa"),
        (["bench=recall,nonsense"], "no bench 'nonsense'"),
        (["bench=recall", "model=tiny"], "name what to fetch"),
        (["bench=recall", "seed=1"], "takes bench=NAME and bench.KEY=VALUE, not 'seed"),
        (["bench=hotpotqa", "bench.path=x.json"], "does not need to be fetched"),
        (["bench=all", "bench.revision=x"], "a setting of a single benchmark, but "),
        (["bench=hotpotqa", "bench.nope=x"], "there is no setting 'bench.nope'"),
        (["bench=hotpotqa", "bench.revision=3"], "bench.revision is 3"),
    ],
    ids=str,
)
def test_nothing_to_fetch(words: list[str], sentence: str, cli: Callable[..., Any]) -> None:
    done = cli("fetch", *words)
    assert (done.code, done.out, len(done.err.splitlines())) == (2, "", 1), done.err
    assert sentence in done.err


def test_all_but_what_is_made_here_needs_a_network(
    cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DELTAMEM_DATA", "data")
    monkeypatch.setenv("XDG_CACHE_HOME", "cache")  # where nothing was fetched
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    done = cli("fetch", "bench=all", "--json")
    assert done.code == 4
    listed = json.loads(done.out)["rows"]
    rows = {row["bench"]: row for row in reversed(listed)}
    assert set(rows) == set(options("bench"))
    for made in ("facts", "jsonl", "recall", "throughput"):
        assert rows.pop(made) == {"bench": made, "path": None, "fault": None}
    assert all("HF_HUB_OFFLINE is set" in row["fault"] for row in rows.values())
    assert "CC BY-NC 4.0" in rows["locomo"]["fault"]
    assert "it is gated" in rows["gpqa"]["fault"]
    assert cli("fetch", "bench=recall").out == "recall: nothing to fetch\n"


def test_listing(cli: Callable[..., Any]) -> None:
    done = cli("list", "benchmarks", "--json")
    assert done.code == 0
    rows = json.loads(done.out)["rows"]
    assert [row["name"] for row in rows] == options("bench")
    assert all(row["kind"] == "benchmarks" and row["about"] for row in rows)
    whole = cli("list").out
    assert "\nbenchmarks (bench=…)\n" in whole
    assert all(f"  {name} " in whole for name in options("bench"))
    for words, sentence in [
        (["nonsense"], "there is no list 'nonsense'; choose one of models, writers"),
        (["benchmarks", "bench=recall"], "takes no settings: leave out bench=recall"),
    ]:
        done = cli("list", *words)
        assert (done.code, done.out) == (2, "")
        assert sentence in done.err
