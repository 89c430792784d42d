"""The loop: one write per history, every answer stored, nothing asked twice."""

from __future__ import annotations

import json
import os
import resource
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from toys import Letters, Parrot

from deltamem_base.faults import Fault, InvalidData, InvalidInput, NotFinite, Partial
from deltamem_evaluations.grouping import LONG_HISTORY_CHARS
from deltamem_evaluations.records.store import SampleStore, read_samples
from deltamem_evaluations.runner import Plan, run
from deltamem_evaluations.sample import Decoding, History, Sample, sample_seed


def evaluate(folder: Path, method: Parrot | None = None, benchmark: Letters | None = None, **plan):
    ticks: list[tuple[int, int]] = []
    with SampleStore(folder, key="k") as store:
        scored = run(
            benchmark or Letters(),
            method or Parrot(),
            store,
            plan=Plan(**plan),
            progress=lambda done, total, note="": ticks.append((done, total)),
        )
    return scored, ticks


def test_everything_is_answered_and_stored(tmp_path: Path) -> None:
    scored, ticks = evaluate(tmp_path, batch_size=2)
    assert [s.sample.id for s in scored] == [s.id for s in Letters().samples()]
    assert all(s.scores == {"em": 1.0} for s in scored)
    assert ticks[0] == (0, 15)
    assert ticks[-1] == (15, 15)
    rows = read_samples(tmp_path)
    assert sorted(line.id for line in rows) == sorted(s.sample.id for s in scored)
    first = rows[0]
    assert first.prediction == first.references[0] == "v0.0"
    assert (first.question, first.groups, first.finish) == ("a0", ("q0",), "stop")
    assert (first.original_tokens, first.written_tokens, first.read_tokens) == (6, 6, 6)
    assert (first.shown_tokens, first.cut_side, first.cut_tokens) == (0, None, 0)
    assert first.decoding == Decoding(max_new_tokens=4)


@pytest.mark.parametrize("size", [1, 2, 3, 16])
def test_one_write_for_each_history(size: int, tmp_path: Path) -> None:
    method = Parrot()
    scored, _ = evaluate(tmp_path, method, batch_size=size)
    writes = [int(word.split()[1]) for word in method.log if word.startswith("write")]
    asked = [word.split() for word in method.log if word.startswith("answer")]
    assert sum(writes) == 5
    assert max(writes) <= size
    assert sum(int(words[1]) for words in asked) == 15
    assert {int(words[-1]) for words in asked} == {size}
    assert all(s.scores["em"] == 1.0 for s in scored)


class Small(Parrot):
    """Runs out of memory, in the words of CUDA, beyond two histories or one question at once."""

    def write(self, histories):
        if len(histories) > 2:
            raise RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate")
        return super().write(histories)

    def answer(self, prompts, decoding, *, side_by_side, on_answer):
        if len(prompts) > 1 and side_by_side > 1:
            super().answer(prompts[:2], decoding, on_answer=on_answer)
            raise type("OutOfMemoryError", (RuntimeError,), {})("CUDA out of memory. Tried to")
        return super().answer(prompts, decoding, side_by_side=side_by_side)


def test_batches_that_do_not_fit_are_halved_and_noted(tmp_path: Path) -> None:
    notes: list[str] = []
    with SampleStore(tmp_path, key="k") as store:
        plan = Plan(batch_size=16)
        scored = run(Letters(), Small(), store, plan=plan, on_note=notes.append)
    assert len(scored) == 15
    assert all(s.scores["em"] == 1.0 for s in scored)
    assert notes[0] == "memory ran out with 5 histories written side by side; went on with 2"
    assert any("questions answered side by side; went on with 1" in note for note in notes)


def test_what_does_not_fit_alone_is_raised(tmp_path: Path) -> None:
    class Tiny(Parrot):
        def write(self, histories):
            raise MemoryError("no room")

    with pytest.raises(Fault, match="histories written one by one; all answers so far are"):
        evaluate(tmp_path, Tiny())

    class Broken(Parrot):
        def write(self, histories):
            raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        evaluate(tmp_path, Broken())


class Diverging(Parrot):
    """Has no number for one question, or for one history."""

    def __init__(self, *, question: str = "", history: str = "") -> None:
        super().__init__()
        self.question, self.history = question, history

    def write(self, histories):
        texts = [m["content"] for h in histories for m in h.written]
        if self.history and any(self.history in text for text in texts):
            raise NotFinite("NaN")
        return super().write(histories)

    def answer(self, prompts, decoding, **pace):
        if any(p.question == self.question for p in prompts):
            raise NotFinite("NaN")
        return super().answer(prompts, decoding, **pace)


def test_one_of_a_batch_that_is_at_fault_is_named_and_what_was_before_it_is_kept(
    tmp_path: Path,
) -> None:
    ids = [sample.id for sample in Letters().samples()]
    for folder, method, named, kept in (
        ("question", Diverging(question="a1"), "sample 0-1: NaN; all answers so far are kept", 1),
        ("history", Diverging(history="v3.0"), "history 3: NaN; all answers so far are kept", 9),
    ):
        with SampleStore(tmp_path / folder, key="k") as store:
            with pytest.raises(Fault, match=named):
                run(Letters(), method, store, plan=Plan(batch_size=16))
            assert list(store.lines) == ids[:kept]


def test_long_histories_are_written_alone(tmp_path: Path) -> None:
    method = Parrot()
    evaluate(tmp_path, method, Letters(length=LONG_HISTORY_CHARS), batch_size=16)
    assert method.log.count("write 1") == 5


def test_a_run_goes_on_where_it_was(tmp_path: Path) -> None:
    evaluate(tmp_path, limit=4)
    method = Parrot()
    scored, ticks = evaluate(tmp_path, method)
    assert ticks[0] == (4, 15)
    assert sum(int(w.split()[1]) for w in method.log if w.startswith("answer")) == 11
    assert len(scored) == len(read_samples(tmp_path)) == 15
    method = Parrot()
    evaluate(tmp_path, method)
    assert method.log == ["reset 1"]


class Silent(Letters):
    """Histories in which nothing is said, but for the first."""

    def history(self, history_id: str) -> History:
        return super().history(history_id) if history_id == "0" else History(messages=())


def test_empty_histories_are_no_reason_to_ask_in_pieces(tmp_path: Path) -> None:
    method = Parrot()
    evaluate(tmp_path, method, Silent(), batch_size=2)
    assert method.log[1:] == ["reset 5", "write 5", "answer 15 of at most 2"]


def test_what_was_answered_before_a_fault_is_kept(tmp_path: Path) -> None:
    """An answer is on the disk before the next one is asked for."""

    class Dying(Parrot):
        def answer(self, prompts, decoding, *, side_by_side, on_answer):
            def told(number: int, answer: Any) -> None:
                on_answer(number, answer)
                if number == 6:
                    raise KeyboardInterrupt

            return super().answer(prompts, decoding, on_answer=told)

    with pytest.raises(KeyboardInterrupt):
        evaluate(tmp_path, Dying())
    assert [line.id for line in read_samples(tmp_path)] == [s.id for s in Letters().samples()][:7]
    scored, ticks = evaluate(tmp_path)
    assert ticks[0] == (7, 15)
    assert len(scored) == 15


class Wordy(Letters):
    """The first question of a history is far longer than the others, and so is its answer."""

    def samples(self) -> list[Sample]:
        return [
            replace(s, question=s.question + "?" * 2000) if s.id.endswith("-0") else s
            for s in super().samples()
        ]

    def decoding(self, sample: Sample) -> Decoding:
        return Decoding(max_new_tokens=400 if sample.id.endswith("-0") else 4)


class Measuring(Parrot):
    """Writes down what room every history leaves."""

    def write(self, histories: Any) -> Any:
        self.log.append(f"reserves {sorted({h.reserve for h in histories})}")
        return super().write(histories)


def test_a_history_leaves_the_same_room_when_a_run_goes_on(tmp_path: Path) -> None:
    """Its room decides what is cut from view; the longest question may be answered already."""
    benchmark, first, then = Wordy(histories=1), Measuring(), Measuring()
    evaluate(tmp_path, first, benchmark)
    file = tmp_path / "samples.jsonl"
    rows = [line for line in file.read_text().splitlines() if json.loads(line)["id"] == "0-0"]
    file.write_text("\n".join(rows) + "\n")
    evaluate(tmp_path, then, benchmark)
    wanted = f"reserves [{len(benchmark.samples()[0].question) + 400}]"
    assert [log for log in first.log + then.log if log.startswith("reserves")] == [wanted] * 2
    assert "answer 2 of at most 16" in then.log


@pytest.mark.parametrize("cut", [1, 20, 60])
def test_a_broken_last_line_is_asked_again(cut: int, tmp_path: Path) -> None:
    """What kill -9 leaves: whole lines, and perhaps a piece of one."""
    evaluate(tmp_path)
    path = tmp_path / "samples.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    scored, ticks = evaluate(tmp_path)
    assert ticks[0] == (14, 15)
    assert len(scored) == len(read_samples(tmp_path)) == 15
    ids = [line.id for line in read_samples(tmp_path)]
    assert len(set(ids)) == 15


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    evaluate(tmp_path)
    path = tmp_path / "samples.jsonl"
    lines = path.read_text().splitlines()
    lines[3] = lines[3][:10]
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(InvalidData, match="samples.jsonl, line 4, character .* is not JSON"):
        evaluate(tmp_path)


def test_samples_of_another_configuration_are_refused(tmp_path: Path) -> None:
    evaluate(tmp_path)
    with pytest.raises(InvalidData, match="belongs to another configuration"):
        SampleStore(tmp_path, key="other")


def test_two_processes_cannot_share_a_run(tmp_path: Path) -> None:
    with SampleStore(tmp_path, key="k"), pytest.raises(Fault, match="another process"):
        SampleStore(tmp_path, key="k")


def test_a_full_disk_keeps_what_was_there(tmp_path: Path) -> None:
    """A file that may not grow fails as a full disk does: no line is lost or broken."""
    evaluate(tmp_path, limit=3)
    with SampleStore(tmp_path, key="k") as store:
        line = replace(store.lines["0-0"], id="x")
        size = store.path.stat().st_size
        _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 10, most))
        try:
            with pytest.raises(Fault, match="the 3 samples before are kept"):
                store.append([line])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
        assert store.path.stat().st_size == size
    scored, _ = evaluate(tmp_path)
    assert len(scored) == 15


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Fault, match="cannot be written"):
        SampleStore(tmp_path / "file" / "run", key="k")


def test_foreign_histories_and_none(tmp_path: Path) -> None:
    foreign, _ = evaluate(tmp_path / "foreign", writes="foreign")
    nothing, _ = evaluate(tmp_path / "nothing", writes="nothing")
    assert all(s.scores["em"] == 0.0 for s in foreign + nothing)
    said = {line.id: line.prediction for line in read_samples(tmp_path / "foreign")}
    assert said["0-1"] == "v1.1"
    assert said["4-2"] == "v0.2"
    with pytest.raises(InvalidInput, match="has only one"):
        evaluate(tmp_path / "one", benchmark=Letters(1), writes="foreign")
    with pytest.raises(InvalidInput, match="control.writes is 'mine'"):
        evaluate(tmp_path / "mine", writes="mine")


def test_a_limit_that_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="limit=0 leaves none of 15"):
        evaluate(tmp_path, limit=0)


def test_seeds_belong_to_samples() -> None:
    seeds = {sample_seed(run, sample) for run in (0, 1) for sample in ("a", "b", "c")}
    assert len(seeds) == 6
    assert sample_seed(0, "a") == sample_seed(0, "a")
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_lines_are_json_with_their_key(tmp_path: Path) -> None:
    evaluate(tmp_path, limit=1)
    (line,) = (tmp_path / "samples.jsonl").read_text().splitlines()
    assert json.loads(line)["key"] == "k"


def test_samples_that_are_a_link_are_not_written_to(tmp_path: Path) -> None:
    """A shared run folder may point anywhere; the file behind it stays as it is."""
    victim = tmp_path / "victim.txt"
    victim.write_text("mine, without a line feed")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "samples.jsonl").symlink_to(victim)
    with pytest.raises(Fault, match="is a link or not a file of yours"):
        evaluate(tmp_path / "run")
    assert victim.read_text() == "mine, without a line feed"
    os.mkfifo(tmp_path / "samples.jsonl")
    with pytest.raises(Fault, match="is a link or not a file of yours"):
        evaluate(tmp_path)


class Removing(Parrot):
    """Removes the run's folder while it answers."""

    folder: Path

    def answer(self, prompts: Any, decoding: Decoding, **pace: Any) -> Any:
        if self.folder.exists():
            shutil.rmtree(self.folder)
        return super().answer(prompts, decoding, **pace)


def test_a_folder_that_is_removed_ends_the_run(tmp_path: Path) -> None:
    method = Removing()
    method.folder = tmp_path / "run"
    with pytest.raises(Partial, match="was removed or replaced during the run"):
        evaluate(method.folder, method)
