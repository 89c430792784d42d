"""The first prompt of an evaluation, with what is written to the memory, without a model."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, TypedDict

from deltamem_cli.runs.requests import BackboneRequest, EvaluationRequest
from deltamem_cli.screen.console import Console
from deltamem_cli.screen.excerpt import LONGEST, excerpt

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from deltamem.backbone import Rendered

__all__ = ["WITHHELD", "ShownPrompt", "Span", "first_prompt", "print_prompt"]


class Span(TypedDict):
    """A written message: its number, below 0 where the tokens are of none, and its text."""

    message: int
    text: str


class ShownPrompt(TypedDict):
    """A prompt with what is written; tokens are None where there is no tokenizer."""

    written: list[Span]
    written_tokens: int | None
    shown: str
    shown_tokens: int | None


SHOWN_MESSAGES = 6
"""Messages of a long history that are printed of its start and of its end."""
WITHHELD: ShownPrompt = {
    "written": [],
    "written_tokens": None,
    "shown": "[withheld]",
    "shown_tokens": None,
}


def first_prompt(request: EvaluationRequest, console: Console) -> ShownPrompt:
    """The first prompt as the backbone's tokenizer has it, or as messages without a tokenizer."""
    from deltamem.backbone import load_tokenizer, render, render_history, system_turn
    from deltamem_base.faults import Unavailable

    benchmark = request.benchmark
    sample = benchmark.samples()[0]
    history = benchmark.history(sample.history_id)
    question = {"role": "user", "content": sample.question}
    dropped = request.context == "none"
    shown = [*(system_turn(history.messages) if dropped else history.messages), question]
    try:
        tokenizer = load_tokenizer(**request.backbone.source)
    except Unavailable as fault:
        console.note(f"note: shown as messages, because {fault}")
        written: list[Span] = [
            {"message": i, "text": m["content"]} for i, m in enumerate(history.messages)
        ]
        text = "\n".join(f"{m['role']}: {m['content']}" for m in shown)
        return {"written": written, "written_tokens": None, "shown": text, "shown_tokens": None}
    options = request.backbone.prompt_options
    prompt = render(
        tokenizer,
        shown,
        join=None if dropped else history.join,
        add_generation_prompt=True,
        **options,
    )
    window = _window(request.backbone)
    if len(prompt.ids) > window:
        console.note(
            f"note: the prompt is printed whole; the backbone attends to {window} tokens, so the "
            f"{history.cut.side} of the history is cut from view"
        )
    rendered = render_history(tokenizer, history.messages, join=history.join, **options)
    return {
        "written": _spans(rendered, tokenizer),
        "written_tokens": len(rendered.ids),
        "shown": prompt.text,
        "shown_tokens": len(prompt.ids),
    }


def _spans(rendered: Rendered, tokenizer: PreTrainedTokenizerBase) -> list[Span]:
    """The text of each written message, by its number."""
    pairs = zip(rendered.message_ids, rendered.ids, strict=True)
    return [
        {"message": number, "text": str(tokenizer.decode([token for _, token in part]))}
        for number, part in groupby(pairs, key=lambda pair: pair[0])
    ]


def _window(backbone: BackboneRequest) -> int:
    from deltamem.backbone import load_config, window_of

    source = backbone.source
    return window_of(source["id"], load_config(**source))


def print_prompt(prompt: ShownPrompt, console: Console) -> None:
    """Written spans by the number of their message (one segment each for a segment writer)."""
    written = prompt["written"]
    console.result(f"\nwritten to the memory ({_count(prompt['written_tokens'])}):")
    left_out = len(written) - 2 * SHOWN_MESSAGES
    for position, span in enumerate(written):
        if left_out > 0 and position == SHOWN_MESSAGES:
            console.result(f"   ... {left_out} more ...")
        if left_out <= 0 or not SHOWN_MESSAGES <= position < len(written) - SHOWN_MESSAGES:
            number = "  –" if span["message"] < 0 else f"{span['message']:3}"
            console.result(f"{number} │ {excerpt(span['text'], indent='    │ ')}")
    console.result(f"\nshown with the question ({_count(prompt['shown_tokens'])}):")
    console.result(excerpt(prompt["shown"], longest=4 * LONGEST))


def _count(tokens: int | None) -> str:
    return "tokens unknown without the tokenizer" if tokens is None else f"{tokens} tokens"
