"""``deltamem eval`` and ``report``: records, resuming, and one sentence for whatever is wrong."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SMALL = ("bench.dialogues=1", "bench.facts=[1,2]")
FIELDS = {
    "cell",
    "model",
    "method",
    "writer",
    "bench",
    "protocol",
    "context",
    "control",
    "fingerprint",
    "complete",
    "n",
    "metrics",
    "primary_metric",
    "cost",
    "deviations",
    "path",
}


def record(done: Any) -> dict[str, Any]:
    assert done.code == 0, done.err
    return json.loads(done.out)


@pytest.mark.parametrize("method", ["frozen", "delta_mem"])
@pytest.mark.parametrize("context", ["none", "visible"])
def test_a_record_has_what_the_protocol_asks(
    method: str, context: str, cli: Callable[..., Any]
) -> None:
    content = record(cli("eval", f"method={method}", f"context={context}", *SMALL, "--json"))
    assert set(content) >= FIELDS
    assert content["complete"] is True
    assert content["n"]["expected"] == content["n"]["scored"] > 0
    assert (content["context"], content["method"]) == (context, method)
    metric = content["metrics"]["em"]
    assert metric["ci95"][0] <= metric["mean"] <= metric["ci95"][1]
    assert {"single_hop", "two_hop/2", "unseen"} - set(metric["groups"]) <= {"unseen"}
    assert Path(content["path"]).is_file()
    assert json.loads(Path(content["path"]).read_text()) == content


def test_a_second_call_answers_nothing_again(cli: Callable[..., Any]) -> None:
    first = record(cli("eval", "method=frozen", *SMALL, "--json"))
    samples = Path(first["path"]).with_name("samples.jsonl")
    before = samples.read_bytes()
    done = cli("eval", "method=frozen", *SMALL, "--json")
    again = record(done)
    assert samples.read_bytes() == before
    assert "is complete already" in done.err
    assert again["metrics"] == first["metrics"]
    assert again["cell"] == first["cell"]


def test_settings_that_change_answers_change_the_run(cli: Callable[..., Any]) -> None:
    cells = {
        record(cli("eval", *SMALL, *words, "--json"))["cell"]
        for words in (
            ("method=frozen",),
            ("method=frozen", "context=none"),
            ("method=frozen", "seed=1"),
            ("method=frozen", "bench.seed=1"),
            ("context=none",),
            ("context=none", "control=foreign"),
            ("context=none", "writer=msw"),
            ("context=none", "method.window=8"),
        )
    }
    assert len(cells) == 8
    same = record(cli("eval", *SMALL, "method=frozen", "runtime.batch_size=1", "--json"))
    assert same["cell"] in cells


def test_a_limited_run_is_stamped(cli: Callable[..., Any]) -> None:
    content = record(cli("eval", "method=frozen", *SMALL, "--limit", "2", "--json"))
    assert content["limited"] is True
    assert content["n"] == {"expected": 2, "scored": 2}
    assert any("limited to the first 2" in d for d in content["deviations"])
    assert not Path("results").exists()
    assert cli("report").code == 2
    done = cli("report", "--runs")
    assert done.code == 0
    assert "†" in done.out


def test_complete_records_reach_the_report(cli: Callable[..., Any]) -> None:
    for words in (("method=frozen",), ("context=none",), ("context=none", "control=zero")):
        assert cli("eval", *SMALL, *words).code == 0
    done = cli("report")
    assert done.code == 0
    assert done.out == Path("results/README.md").read_text()
    scores = done.out.partition("## Scores")[2].partition("## ")[0]
    assert scores.count("\n| tiny ") == 3
    assert "| zero " in done.out
    rows = json.loads(cli("report", "--json").out)["rows"]
    assert len(rows) == 3
    assert "wrote results/README.md" in done.err


def test_sweeps(cli: Callable[..., Any]) -> None:
    done = cli("eval", "-m", *SMALL, "method=frozen", "context=visible,none", "--json")
    assert done.code == 0, done.err
    assert [r["context"] for r in json.loads(done.out)["rows"]] == ["visible", "none"]


def test_printing_the_config_does_nothing(cli: Callable[..., Any]) -> None:
    done = cli("eval", "--cfg", "job", "bench=locomo")
    assert done.code == 0
    assert "_target_: deltamem_evaluations.benchmarks.locomo.Locomo" in done.out
    assert not list(Path().iterdir())


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["bench=locom"], 2, "no bench 'locom' (did you mean 'locomo'?)"),
        (["bench.sed=1"], 2, "there is no setting 'bench.sed' (did you mean 'bench.seed'"),
        (["bench.seed=x"], 2, "bench.seed is 'x'"),
        (["bench.split=dev"], 2, "bench.split is 'dev'"),
        (["--limit", "0"], 2, "'--limit'"),
        (["adapter=nowhere"], 4, "there is no adapter folder nowhere"),
        (["method=frozen", "control=foreign"], 2, "method=frozen has no such state"),
        (["context=none", "method.write_answers=true"], 2, "needs context=visible"),
        (["bench=locomo", "bench.path=nowhere.json"], 4, "nowhere.json: there is no such file"),
        (["runtime.device=gpu"], 2, "device is 'gpu'"),
        (["runtime.device=cuda"], 2, "use runtime=cpu"),
        (["runtime.dtype=int3"], 2, "dtype is 'int3'; choose one of auto"),
        (
            ["model=qwen3-4b", "method=frozen"],
            4,
            "the model Qwen/Qwen3-4B-Instruct-2507 is not",
        ),
        (["model=qwen3-4b", "model.id=/nowhere"], 4, "the model /nowhere is not"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)
def test_bad_input_is_one_sentence(
    words: list[str], code: int, sentence: str, cli: Callable[..., Any]
) -> None:
    done = cli("eval", *SMALL[: 0 if "bench=locom" in words[0] else 2], *words)
    assert done.code == code, done.err
    assert sentence in done.err
    assert "Traceback" not in done.err
    assert done.out == ""


def test_an_adapter_for_another_backbone(cli: Callable[..., Any]) -> None:
    from deltamem.backbone.loading.load import tiny_folder

    shutil.copytree(tiny_folder() / "adapters" / "tsw", "adapter")
    path = Path("adapter/delta_mem_config.json")
    keys = json.loads(path.read_text())
    keys["backbone"]["fingerprint"] = "0" * 64
    path.write_text(json.dumps(keys))
    done = cli("eval", *SMALL, "adapter=adapter")
    assert done.code == 2
    assert "was trained on tiny (weights 000000000000), and the backbone is tiny" in done.err


def test_an_adapter_of_another_writer(cli: Callable[..., Any]) -> None:
    from deltamem.backbone.loading.load import tiny_folder

    adapter = tiny_folder() / "adapters" / "msw"
    done = cli("eval", *SMALL, f"adapter={adapter}", "writer=tsw")
    assert done.code == 2
    assert "writes by token into 4 state(s); leave writer= out" in done.err
    assert cli("eval", *SMALL, "context=none", f"adapter={adapter}").code == 0


def test_a_truncated_record_is_left_out_and_made_again(cli: Callable[..., Any]) -> None:
    content = record(cli("eval", "method=frozen", *SMALL, "--json"))
    copy = Path("results") / f"{content['cell']}.json"
    copy.write_text(copy.read_text()[:100])
    done = cli("report")
    assert done.code == 2
    assert f"note: {copy}, line 3, character " in done.err
    assert "this is not JSON" in done.err
    again = record(cli("eval", "method=frozen", *SMALL, "--json"))
    assert again["metrics"] == content["metrics"]
    assert cli("report").code == 0


def test_a_read_only_folder(cli: Callable[..., Any]) -> None:
    Path("runs").write_text("in the way")
    done = cli("eval", "method=frozen", *SMALL)
    assert done.code == 5
    assert "make it writable and run the same command again" in done.err


@pytest.mark.parametrize(
    "words", [("method=delta_mem", "context=none"), ("method=frozen", "context=visible")], ids=str
)
def test_the_real_locomo_file(
    words: tuple[str, ...], locomo_file: Path, cli: Callable[..., Any]
) -> None:
    done = cli(
        "eval", "bench=locomo", f"bench.path={locomo_file}", *words, "--limit", "3", "--json"
    )
    content = record(done)
    assert content["n"] == {"expected": 3, "scored": 3}
    rows = [
        json.loads(line)
        for line in Path(content["path"]).with_name("samples.jsonl").read_text().splitlines()
    ]
    if content["context"] == "none":
        assert all(r["written_tokens"] == r["original_tokens"] > 10_000 for r in rows)
        assert all(r["shown_tokens"] == 0 and r["prompt_tokens"] < 400 for r in rows)
    else:
        assert all(r["shown_tokens"] < r["original_tokens"] for r in rows)
        assert all(r["cut_side"] == "start" for r in rows)
        assert any("did not fit in view for 3 of 3" in d for d in content["deviations"])


def test_the_costs_are_the_result_of_a_long_prompt(cli: Any) -> None:
    done = cli("eval", "bench=throughput", "bench.tokens=256", "bench.repeats=2", "--json", "-q",
               "bench.max_new_tokens=8", "method=frozen")  # fmt: skip
    assert done.code == 0, done.err
    cost = json.loads(done.out)["cost"]
    assert cost["tokens_per_second"] == pytest.approx(cost["new_tokens"] / cost["answer_seconds"])
    assert cost["prompt_tokens"] >= 256


def test_a_named_adapter_brings_the_name_of_its_writer(cli: Callable[..., Any]) -> None:
    content = record(cli("eval", "adapter=${model.adapters.msw}", "context=none", *SMALL, "--json"))
    assert content["writer"] == "msw"
    assert "__msw__" in content["cell"]
