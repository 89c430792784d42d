"""``deltamem inspect``: real runs and state files, as a table, as JSON and as images."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deltamem_cli.screen.memory_tables import turn_table
from deltamem_evaluations.reporting import markdown

SMALL = ("bench.dialogues=1", "bench.facts=[2,4]")


@pytest.fixture
def run(cli: Callable[..., Any]) -> Callable[..., Path]:
    def evaluate(*words: str) -> Path:
        done = cli("eval", *SMALL, *words, "--json")
        assert done.code == 0, done.err
        return Path(json.loads(done.out)["path"]).parent

    return evaluate


@pytest.fixture
def state(tiny: Any, in_folder: Path) -> Callable[..., Path]:
    from deltamem import load_adapter
    from deltamem.backbone import tiny_folder
    from deltamem.memory.observation import write_observed
    from deltamem.memory.state_file import Transcript, save_state

    def save(name: str, text: str, writer: str = "msw", *, watched: bool = True) -> Path:
        memory = load_adapter(tiny_folder() / "adapters" / writer, tiny)
        talk = [{"role": "user", "content": text}]
        written, turns = write_observed(memory, tiny, talk, window=tiny.window, join=None)
        transcript = Transcript(turns=turns, messages=tuple(talk)) if watched else None
        path = in_folder / f"{name}.dmstate"
        return save_state(path, written, memory=memory, backbone=tiny, transcript=transcript)

    return save


@pytest.mark.parametrize(
    "words",
    [
        ("writer=ssw", "context=none", "method.window=25", "control=foreign", "bench.seed=3"),
        ("writer=msw", "context=visible", "runtime.dtype=float64", "seed=2"),
    ],
    ids=str,
)
def test_a_run_is_written_again_with_its_own_settings(
    words: tuple[str, ...], run: Callable[..., Path], cli: Callable[..., Any]
) -> None:
    folder = run(*words)
    done = cli("inspect", str(folder), "--json")
    assert done.code == 0, done.err
    content = json.loads(done.out)
    rows = [json.loads(line) for line in (folder / "samples.jsonl").read_text().splitlines()]
    (told, *_) = [row for row in rows if row["history_id"] == content["history"]]
    assert sum(turn["tokens"] for turn in content["turns"]) == told["written_tokens"]
    for turn in content["turns"]:
        assert turn["state"]["layers"] == [0, 1, 2, 3]
        assert all(0 < gate < 1 for gate in turn["write_gate"] + turn["keep_gate"])
        assert all(norm > 0 for norm in turn["state"]["norm"])
    assert [Path(file).suffix for file in content["files"]] == [".png", ".svg", ".json"]
    texts = json.loads(Path(content["files"][2]).read_text())["texts"]
    assert len(texts) == len(content["turns"])
    assert all(Path(file).parent == folder for file in content["files"])


def test_the_newest_run_needs_no_name(run: Callable[..., Path], cli: Callable[..., Any]) -> None:
    newest = run("writer=msw", "context=none")
    older = shutil.copytree(newest, newest.with_name("recall__zz"))
    record = json.loads((older / "record.json").read_text())
    dated = json.dumps({**record, "date": "2026-01-01T00:00:00+00:00"})
    (older / "record.json").write_text(dated)
    done = cli("inspect", "@last", "--json")
    assert done.code == 0, done.err
    assert {Path(file).parent for file in json.loads(done.out)["files"]} == {newest}


def test_a_long_history_is_printed_in_part(tiny: Any) -> None:
    from deltamem import DeltaMemConfig, DeltaMemory
    from deltamem.memory.observation import write_observed

    memory = DeltaMemory(DeltaMemConfig(), tiny.model).initialise(tiny.model, seed=0)
    talk = [{"role": "user", "content": f"I had {n} cups of tea."} for n in range(11)]
    _, turns = write_observed(memory, tiny, talk, window=tiny.window, join=None)
    whole, part = (markdown(turn_table(shown)) for shown in (turns[:8], turns))
    assert "left out" not in whole
    assert "3 turns are left out here; --json and the figure have them all" in part
    assert part.count("\n|") == whole.count("\n|") + 1
    assert "| 11   |" in part
    assert "| 5    |" not in part


def test_runs_that_cannot_be_written_again(
    run: Callable[..., Path], cli: Callable[..., Any], tmp_path: Path
) -> None:
    done = cli("inspect", str(run("method=frozen")))
    assert done.code == 2
    assert "is a run of method=frozen, which has no memory state" in done.err
    folder = str(run("writer=msw", "context=none"))
    for words, code, sentence in (
        (("--history", "nobody"), 2, "asked nothing about a history 'nobody'; it has 6: test-"),
        (("writer=tsw",), 2, "the adapter here is "),
        (("bench.seed=9",), 2, "the benchmark (protocol and data) here is "),
        (("adapter=/nowhere",), 4, "a record names no folders of the machine"),
        (("other",), 2, "other is not a setting (key=value); only state files can be compared"),
    ):
        done = cli("inspect", folder, *words)
        assert (done.code, done.out) == (code, ""), done.err
        assert sentence in done.err
    assert cli("inspect", str(tmp_path)).code == 4


def test_one_history_of_a_run_with_an_adapter_of_a_named_folder(
    run: Callable[..., Path], cli: Callable[..., Any]
) -> None:
    from deltamem.backbone import tiny_folder

    adapter = tiny_folder() / "adapters" / "msw"
    folder = run(f"adapter={adapter}", "context=none")
    record = folder / "record.json"
    sha = json.loads(record.read_text())["provenance"]["weights"]["sha"]
    elsewhere = folder.with_name("elsewhere")
    shutil.copytree(folder, elsewhere)
    (elsewhere / "record.json").write_text(record.read_text().replace(sha, "0" * 64))
    done = cli("inspect", str(elsewhere))
    assert done.code == 4
    assert "the adapter 000000000000 is neither among runs nor released: name its" in done.err
    assert cli("inspect", str(folder)).code == 0
    words = (f"adapter={adapter}", "--history", "test-update-4-0", "--out", "pictures/x.1")
    done = cli("inspect", str(folder), *words)
    assert done.code == 0, done.err
    assert "history test-update-4-0: " in done.out
    assert "| turn | tokens | layer | norm of S |" in done.out
    assert "wrote pictures/x.1.svg" in done.err
    assert "norm of S" in Path("pictures/x.1.svg").read_text()


def test_a_state(state: Callable[..., Path], cli: Callable[..., Any]) -> None:
    path = state("talk", "Today Ada is in Oslo.")
    done = cli("inspect", str(path), "--json")
    assert done.code == 0, done.err
    content = json.loads(done.out)
    assert content["kind"] == "state"
    assert content["sub-states"] == 4
    assert content["turns"][-1]["state"]["norm"] == pytest.approx(content["state"]["norm"])
    assert [Path(file).name for file in content["files"]] == [
        "talk.memory.png",
        "talk.memory.svg",
        "talk.memory.turns.png",
        "talk.memory.turns.svg",
    ]
    text = cli("inspect", str(path)).out
    assert "writes by   token" in text
    assert "Oslo" not in text
    bare = state("bare", "Today Ada is in Oslo.", watched=False)
    done = cli("inspect", str(bare), "--json")
    assert json.loads(done.out)["turns"] == []
    assert "left out" in json.loads(done.out)["text"]


def test_the_difference_of_two_states(state: Callable[..., Path], cli: Callable[..., Any]) -> None:
    a, b = state("a", "Today Ada is in Oslo."), state("b", "Today Ben is in Rome.")
    done = cli("inspect", str(a), str(b), "--json")
    assert done.code == 0, done.err
    content = json.loads(done.out)
    assert content["layers"] == [0, 1, 2, 3]
    assert all(0 < value <= 2 for value in content["relative"])
    assert Path("a-b.difference.png").is_file()
    same = json.loads(cli("inspect", str(a), str(a), "--json").out)
    assert same["norm"] == [0.0] * 4
    done = cli("inspect", str(a), str(state("c", "x", "tsw")))
    assert done.code == 2
    assert "the memory state was written by adapter" in done.err


def test_what_is_no_state(state: Callable[..., Path], cli: Callable[..., Any]) -> None:
    path = state("talk", "Today Ada is in Oslo.")
    Path("cut.dmstate").write_bytes(path.read_bytes()[:-7])
    for words, code, sentence in (
        (("nowhere.dmstate",), 4, "there is no state file nowhere.dmstate"),
        (("cut.dmstate",), 2, "cut.dmstate is damaged"),
        ((str(path), "cut.dmstate"), 2, "cut.dmstate is damaged"),
        ((str(path), "seed=1"), 2, "seed=1 is for a run"),
        ((str(path), "--history", "x"), 2, "--history x is for a run"),
    ):
        done = cli("inspect", *words)
        assert (done.code, done.out) == (code, ""), done.err
        assert sentence in done.err
