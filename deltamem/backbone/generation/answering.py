"""Answer prompts: decode an answer to each, or weigh the answers where they are given.

The decoding loop is ours because ``model.generate`` draws one stream of random numbers for a whole
batch and keeps every row to the end of the longest; here batch size, order and resuming cannot
change a sampled answer. It knows nothing of memory: a state travels in the cache it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from deltamem.backbone.backbone import Backbone
from deltamem.backbone.generation.batch import Job
from deltamem.backbone.generation.decoding_loop import DecodingLoop, Start
from deltamem.backbone.generation.generation import Generation, answer_limit
from deltamem.backbone.generation.likelihood import weigh
from deltamem.backbone.generation.next_logits import NextLogits, model_logits
from deltamem.backbone.generation.thinking import opens_thinking
from deltamem.backbone.inputs import DecodingLike, OnAnswer, PromptLike, unheard

__all__ = ["answer_prompts", "generate"]


def answer_prompts(
    backbone: Backbone,
    prompts: Sequence[PromptLike],
    ids: Sequence[Sequence[int]],
    decoding: DecodingLike,
    *,
    start: Start | None = None,
    next_logits: NextLogits | None = None,
    side_by_side: int | None = None,
    rows_stay: bool = False,
    on_answer: OnAnswer = unheard,
) -> list[Generation]:
    """Generate an answer to each prompt, or weigh the answers where all of them are given.

    Args:
        backbone: the model and its tokenizer.
        prompts: with their seeds and, to be weighed, their answers.
        ids: their tokens, without those that ``start`` holds.
        decoding: how to choose tokens.
        start: keys, values and memory states to go on from.
        next_logits: another way to get the next token's logits than the model's own.
        side_by_side: see :func:`generate`, likewise ``rows_stay`` and ``on_answer``.
        rows_stay: of ``next_logits`` that know each row by its place.
        on_answer: told of each answer.
    """
    given = [prompt.given for prompt in prompts if prompt.given is not None]
    if not given:
        return generate(
            backbone,
            ids,
            decoding,
            seeds=[prompt.seed for prompt in prompts],
            start=start,
            next_logits=next_logits,
            side_by_side=side_by_side,
            rows_stay=rows_stay,
            on_answer=on_answer,
        )
    return weigh(
        backbone,
        [prompt.question for prompt in prompts],
        ids,
        given,
        decoding,
        start=start,
        next_logits=next_logits,
        side_by_side=len(prompts) if rows_stay or side_by_side is None else side_by_side,
        on_answer=on_answer,
    )


@torch.no_grad()
def generate(
    backbone: Backbone,
    prompts: Sequence[Sequence[int]],
    decoding: DecodingLike,
    *,
    seeds: Sequence[int],
    start: Start | None = None,
    next_logits: NextLogits | None = None,
    side_by_side: int | None = None,
    rows_stay: bool = False,
    on_token: Callable[[int, int], bool] = lambda number, token: False,
    on_answer: OnAnswer = unheard,
) -> list[Generation]:
    """Answer each prompt.

    Args:
        backbone: the model and its tokenizer.
        prompts: token ids of each prompt, without those that ``start`` holds already.
        decoding: how to choose tokens.
        seeds: one per prompt.
        start: keys, values and memory states to go on from.
        next_logits: another way to get the next token's logits than the model's own.
        side_by_side: prompts that are decoded at once, at most; None: all of them.
        rows_stay: every row stays in its place to the end, and all are decoded at once.
        on_token: told of each new token and its prompt's number at once, the one that stops an
            answer included; says whether the answer ends there.
        on_answer: told of each answer and its prompt's number as it ends.

    Returns:
        One :class:`Generation` per prompt, in order.

    Raises:
        NotFinite: the logits of a prompt's next token are NaN or infinite.
    """
    start = Start.empty(backbone, len(prompts)) if start is None else start
    loop = DecodingLoop(
        backbone=backbone,
        decoding=decoding,
        step=model_logits(backbone.model) if next_logits is None else next_logits,
        start=start,
        side_by_side=len(prompts) if rows_stay or side_by_side is None else side_by_side,
        rows_stay=rows_stay,
        on_token=on_token,
    )
    answers: dict[int, Generation] = {}
    for job in loop.run(_jobs(backbone, prompts, decoding, seeds=seeds, start=start)):
        answers[job.number] = _answer(backbone, job, decoding)
        on_answer(job.number, answers[job.number])
    return [answers[number] for number in range(len(prompts))]


def _jobs(
    backbone: Backbone,
    prompts: Sequence[Sequence[int]],
    decoding: DecodingLike,
    *,
    seeds: Sequence[int],
    start: Start,
) -> list[Job]:
    jobs = []
    for number, (prompt, seed, held) in enumerate(zip(prompts, seeds, start.held, strict=True)):
        in_view = held + len(prompt)
        jobs.append(
            Job(
                number=number,
                prompt=prompt,
                in_view=in_view,
                limit=answer_limit(backbone, in_view, decoding),
                generator=torch.Generator().manual_seed(seed),
            )
        )
    return jobs


def _answer(backbone: Backbone, job: Job, decoding: DecodingLike) -> Generation:
    return Generation(
        text=backbone.decode(job.tokens),
        prompt_tokens=job.in_view,
        new_tokens=len(job.tokens),
        seconds=job.seconds,
        finish=_finish(job, backbone.stop_ids, decoding.max_new_tokens),
        opened_thinking=opens_thinking(backbone.tokenizer, job.prompt),
    )


def _finish(job: Job, stop: frozenset[int], max_new_tokens: int) -> str:
    if job.tokens[-1] in stop or len(job.tokens) < job.limit:
        return "stop"
    return "length" if len(job.tokens) >= max_new_tokens else "window"
