"""lm-eval's door: its own model's numbers without a memory, those of ``deltamem eval`` with one.

The tasks are made here: a yaml and a file of JSON lines each, as lm-eval takes anybody's.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from child_environment import child_environment
from sentence_splitter import write_splitter

from deltamem import DeltaMemConfig, DeltaMemory, tiny_folder
from deltamem_base.faults import InvalidInput
from deltamem_cli.errors import UsageError

pytest.importorskip("lm_eval", reason="lm-eval is not installed: pip install 'deltamem[lm-eval]'")

TOLD = [
    {"question": "Today Clara is in Oslo.", "answer": "Noted."},
    {"question": "Today Boris is in Cairo.", "answer": "Noted."},
    {"question": "Today Alice is in Rome.", "answer": "Noted."},
]
ASKED = [
    {"question": f"Where is {name} today?", "answer": f"Today {name} is in {place}."}
    for name, place in (("Clara", "Oslo"), ("Boris", "Cairo"))
]
PLACES = ["Cairo", "Oslo", "Rome"]
SHORT = {"max_gen_toks": 8, "do_sample": False, "until": ["\n"]}
GENERATED = f"""
output_type: generate_until
doc_to_target: answer
generation_kwargs: {json.dumps(SHORT)}
metric_list: [{{metric: exact_match}}]
"""
TASKS = {
    "answers": "doc_to_text: '{{question}} '" + GENERATED,
    "chats": "doc_to_text: question" + GENERATED,
    "choices": f"""
output_type: multiple_choice
doc_to_text: "{{{{question}}}} {{{{answer[:-6]}}}}"
doc_to_choice: {PLACES}
doc_to_target: place
metric_list: [{{metric: acc}}, {{metric: acc_norm}}]
""",
    "targets": """
output_type: loglikelihood
doc_to_text: question
doc_to_target: answer
metric_list: [{metric: perplexity}, {metric: acc}]
""",
    "texts": """
output_type: loglikelihood_rolling
doc_to_text: ""
doc_to_target: "{{question}} {{answer}}"
metric_list: [{metric: word_perplexity}, {metric: bits_per_byte}]
""",
}


@pytest.fixture
def tasks(in_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The manager of the tasks above, which knows no others."""
    import datasets
    from lm_eval.tasks import TaskManager

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", in_folder / "datasets")
    places = [PLACES.index(row["answer"].split()[-1][:-1]) for row in ASKED]
    asked = [{**row, "place": place} for row, place in zip(ASKED, places, strict=True)]
    for split, rows in {"test": asked, "told": [{**row, "place": 0} for row in TOLD]}.items():
        Path(f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    files = {split: str(in_folder / f"{split}.jsonl") for split in ("test", "told")}
    shared = f"""
dataset_path: json
dataset_kwargs: {json.dumps({"data_files": files})}
test_split: test
fewshot_split: told
fewshot_config: {{sampler: first_n}}
"""
    Path("tasks").mkdir()
    for name, own in TASKS.items():
        Path(f"tasks/{name}.yaml").write_text(f"task: {name}{shared}{own}")
    return TaskManager(include_path="tasks", include_defaults=False)


def run(tasks: Any, names: list[str], model: Any, **options: Any) -> dict[str, Any]:
    """Results of lm-eval, and all answers by task."""
    from lm_eval import simple_evaluate

    done = simple_evaluate(
        model=model, tasks=names, task_manager=tasks, bootstrap_iters=0, device="cpu", **options
    )
    answers = {name: [row["resps"] for row in done["samples"][name]] for name in names}
    return {"results": done["results"], "answers": answers}


def memory_model(**words: Any) -> Any:
    from deltamem_cli.harness.model import DeltaMemLM

    return DeltaMemLM(**words)


def texts(answers: list[Any]) -> list[str]:
    return [text for [[text]] in answers]


@pytest.fixture
def silent(in_folder: Path, tiny: Any) -> str:
    """An adapter that corrects nothing."""
    memory = DeltaMemory(DeltaMemConfig(alpha=0.0), tiny.model)
    return str(memory.initialise(tiny.model, seed=0).save_pretrained("silent", tiny))


def test_without_corrections_the_numbers_are_those_of_its_own_model(
    tasks: Any, silent: str
) -> None:
    from lm_eval.models.huggingface import HFLM

    names, options = ["answers", "choices", "targets", "texts"], {"max_length": 48}
    own = HFLM(pretrained=str(tiny_folder()), dtype="float32", device="cpu", **options)
    theirs = run(tasks, names, own)
    assert {len(answers) for answers in theirs["answers"].values()} == {len(ASKED)}
    assert math.isfinite(theirs["results"]["texts"]["bits_per_byte,none"])
    for write in ("prompt", "history"):
        words = {"adapter": silent, "write": write, "question_after": "no such text", **options}
        assert run(tasks, names, memory_model(**words)) == theirs


def test_few_shot_examples_are_answered_from_the_state(tasks: Any, cli: Callable[..., Any]) -> None:
    """``write=history`` and ``deltamem eval context=none`` give the same answers."""
    turns = {"apply_chat_template": True, "fewshot_as_multiturn": True, "num_fewshot": 3}
    model = memory_model(writer="msw", write="history", batch_size=2)
    done = run(tasks, ["chats"], model, **turns)
    answers = texts(done["answers"]["chats"])
    assert answers == [row["answer"] for row in ASKED]
    assert done["results"]["chats"]["exact_match,none"] == 1.0
    history = [
        turn
        for row in TOLD
        for turn in (
            {"role": "user", "content": row["question"]},
            {"role": "assistant", "content": row["answer"]},
        )
    ]
    rows = [
        {"id": str(n), "history_id": "a", "question": row["question"], "reference": row["answer"]}
        for n, row in enumerate(ASKED)
    ]
    rows[0]["history"] = history
    Path("own.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    told = predictions(cli, "bench=jsonl", "bench.path=own.jsonl", "context=none", "writer=msw")
    assert list(told.values()) == answers


def predictions(cli: Callable[..., Any], *words: str) -> dict[str, str]:
    """Answers of ``deltamem eval`` by the ids of their questions, in order."""
    done = cli("eval", "-q", "--json", *words)
    assert done.code == 0, done.err
    lines = Path(json.loads(done.out)["path"]).with_name("samples.jsonl").read_text().splitlines()
    told = {str(row["id"]): row["prediction"] for row in map(json.loads, lines)}
    return dict(sorted(told.items()))


PROMPTS = [
    {
        "key": 1000,
        "prompt": "Where is Clara? Do without commas, in 5 words.",
        "instruction_id_list": ["punctuation:no_comma", "length_constraints:number_words"],
        "kwargs": [{}, {"relation": "at least", "num_words": 5}],
    },
    {
        "key": 1001,
        "prompt": "Today Clara is in Oslo.",
        "instruction_id_list": ["keywords:existence"],
        "kwargs": [{"keywords": ["Oslo"]}],
    },
    {
        "key": 1002,
        "prompt": "Who lives in Rome today?",
        "instruction_id_list": ["change_case:english_lowercase"],
        "kwargs": [{}],
    },
]
IFEVAL = """
task: own_ifeval
dataset_path: json
dataset_kwargs: {data_files: {test: ifeval.jsonl}}
output_type: generate_until
test_split: test
num_fewshot: 0
doc_to_text: prompt
doc_to_target: 0
generation_kwargs: {until: [], do_sample: false, max_gen_toks: 16}
process_results: !function own_ifeval.process_results
metric_list:
  - {metric: prompt_level_strict_acc, aggregation: mean}
  - {metric: prompt_level_loose_acc, aggregation: mean}
  - metric: inst_level_strict_acc
    aggregation: !function own_ifeval.agg_inst_level_acc
  - metric: inst_level_loose_acc
    aggregation: !function own_ifeval.agg_inst_level_acc
"""


def test_ifeval_is_that_of_eval(
    cli: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``write=prompt`` is the paper's protocol, in which questions and answers write."""
    import datasets
    import nltk
    from lm_eval.tasks import TaskManager

    monkeypatch.setattr(nltk.data, "path", [])
    monkeypatch.setenv("NLTK_DATA", str(write_splitter(tmp_path / "nltk_data")))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "datasets")
    Path("ifeval.jsonl").write_text("".join(json.dumps(row) + "\n" for row in PROMPTS))
    words = ("bench=ifeval", "bench.path=ifeval.jsonl", "bench.max_new_tokens=16")
    ours = {
        writer: predictions(cli, *words, "bench.protocol=paper", f"writer={writer}")
        for writer in ("msw", "ssw")
    }
    assert ours["msw"] != ours["ssw"]
    Path("tasks").mkdir()
    Path("tasks/own_ifeval.yaml").write_text(IFEVAL)
    Path("tasks/own_ifeval.py").write_text(
        "from lm_eval.tasks.ifeval.utils import agg_inst_level_acc, process_results\n"
    )
    manager = TaskManager(include_path="tasks", include_defaults=False)
    records = [json.loads(path.read_text()) for path in Path("results").glob("*.json")]
    for record in records:
        model = memory_model(writer=record["writer"], write="prompt")
        theirs = run(manager, ["own_ifeval"], model, apply_chat_template=True)
        answers = texts(theirs["answers"]["own_ifeval"])
        assert answers == list(ours[record["writer"]].values())
        found, metrics = theirs["results"]["own_ifeval"], record["metrics"]
        for scope, metric in (("prompt", "prompt"), ("inst", "instruction")):
            for mode in ("strict", "loose"):
                mean = metrics[f"{metric}_{mode}"]["mean"]
                assert found[f"{scope}_level_{mode}_acc,none"] == mean
    assert len(records) == 2


@pytest.mark.parametrize(("writer", "write"), [("msw", "prompt"), ("ssw", "history")])
def test_what_is_generated_is_the_likeliest(writer: str, write: str, in_folder: Path) -> None:
    from lm_eval.api.instance import Instance

    model = memory_model(writer=writer, write=write)
    turns = [
        {"role": "user", "content": "Today Clara is in Oslo."},
        {"role": "assistant", "content": "Noted."},
        {"role": "user", "content": "Where is Clara today?"},
    ]
    prompt = model.apply_chat_template(turns)

    def request(kind: str, *arguments: Any) -> Any:
        return Instance(request_type=kind, doc={}, arguments=arguments, idx=0)

    [answer] = model.generate_until([request("generate_until", prompt, SHORT)])
    assert answer
    right, wrong = model.loglikelihood(
        [request("loglikelihood", prompt, text) for text in (answer, f"{answer[:-5]} Rome.")]
    )
    assert 0 > right[0] > wrong[0]


def test_a_segment_writes_before_the_answer_is_weighed(in_folder: Path) -> None:
    model = memory_model(writer="ssw", write="prompt")
    prompt = model.apply_chat_template([{"role": "user", "content": "Today Clara is in Oslo."}])
    context = model.tok_encode(prompt)
    ids = torch.tensor([context])
    made = model._model_generate(ids, len(context) + 6, [], attention_mask=torch.ones_like(ids))
    answer = made[0, len(context) :].tolist()
    [(total, greedy)] = model._loglikelihood_tokens([(None, context, answer)])
    assert total < 0
    assert greedy
    assert not model._loglikelihood_tokens([(None, context, [*answer[:-1], answer[0]])])[0][1]


def test_the_windows_before_are_the_history_of_a_text(in_folder: Path) -> None:
    from lm_eval.api.instance import Instance

    text = " ".join(row["question"] for row in TOLD * 2)
    request = Instance(request_type="loglikelihood_rolling", doc={}, arguments=(text,), idx=0)
    model = memory_model(writer="msw", write="history", max_length=16)
    [with_memory] = model.loglikelihood_rolling([request])
    model.memory = model.memory.initialise(model.model, seed=0)
    [without] = model.loglikelihood_rolling([request])
    assert with_memory != without
    by_segment = memory_model(writer="ssw", write="prompt")
    with pytest.raises(InvalidInput, match="a text without a prompt has no segments"):
        by_segment.loglikelihood_rolling([request])


def test_a_text_without_turns_is_cut_by_a_mark(in_folder: Path) -> None:
    from lm_eval.api.instance import Instance

    text = "Today Clara is in Oslo.\n\nWhere is Clara today?"
    request = Instance(request_type="generate_until", doc={}, arguments=(text, SHORT), idx=0)
    with pytest.raises(InvalidInput, match="add --apply_chat_template .* or question_after=TEXT"):
        memory_model(write="history").generate_until([request])
    model = memory_model(write="history", question_after=r"\n\n")
    prompt = model.prompts.of(text)
    assert (prompt.history.text, prompt.visible) == (
        "Today Clara is in Oslo.\n\n",
        "Where is Clara today?",
    )
    turns = [{"role": "user", "content": text}]
    prompt = model.prompts.of(model.apply_chat_template(turns))
    assert "Oslo" in prompt.history.text
    assert "Oslo" not in prompt.visible
    assert model.generate_until([request]) != [""]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ({"write": "all"}, "write is 'all'; it must be prompt, history"),
        ({"pretrained": "gpt2"}, "there is no setting 'pretrained'"),
        ({"model": "gpt2"}, "no model 'gpt2'"),
    ],
    ids=str,
)
def test_arguments_that_do_not_exist(words: dict[str, str], sentence: str, in_folder: Path) -> None:
    from lm_eval.api.registry import get_model

    from deltamem_cli.harness.command import NAME, register

    register()
    with pytest.raises(UsageError, match=sentence):
        get_model(NAME).create_from_arg_obj(words, {"batch_size": 1, "device": "cuda:0"})


def test_the_command_is_that_of_lm_eval(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from deltamem_cli.exits import exit_with
    from deltamem_cli.harness.command import run

    monkeypatch.setattr(sys, "argv", ["deltamem-lm-eval", "run", "--help"])
    assert exit_with(run) == 0
    assert "--model_args" in capsys.readouterr().out


@pytest.mark.usefixtures("tasks")
def test_a_run_of_the_command_writes_the_score(in_folder: Path) -> None:
    """In a process of its own, on a task of a folder: the answers come from the state."""
    model = ("--model", "deltamem", "--model_args", "model=tiny,writer=msw,write=history")
    turns = ("--apply_chat_template", "--fewshot_as_multiturn", "--num_fewshot", "3")
    task = ("--tasks", "chats", "--include_path", "tasks", "--output_path", "scores")
    done = subprocess.run(
        [
            Path(sys.executable).with_name("deltamem-lm-eval"),
            *model,
            *turns,
            *task,
            "--log_samples",
        ],
        capture_output=True,
        text=True,
        check=False,
        env=child_environment(HF_DATASETS_CACHE=str(in_folder / "datasets")),
    )
    assert done.returncode == 0, done.stderr
    (scores,) = Path("scores").rglob("results_*.json")
    content = json.loads(scores.read_text(encoding="utf-8"))
    assert content["results"]["chats"]["exact_match,none"] == 1.0
    assert content["n-samples"]["chats"] == {"original": len(ASKED), "effective": len(ASKED)}
    (samples,) = Path("scores").rglob("samples_chats_*.jsonl")
    told = map(json.loads, samples.read_text(encoding="utf-8").splitlines())
    assert [row["resps"] for row in told] == [[[row["answer"]]] for row in ASKED]
    (line,) = (line for line in done.stdout.splitlines() if "|exact_match|" in line)
    assert "|chats|" in line
