"""The frozen model on real prompts, by this package's loop and by lm-eval's.

Both have the same model object, the prompts of IFEval in the same chat template, the same number of
answers side by side and the same limit of new tokens; their answers are compared. lm-eval orders
requests by length and keeps each row to the end of the longest of its batch.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deltamem_base.faults import Unavailable
from deltamem_cli.speed.alternate import Figure, figure
from deltamem_cli.speed.models import named_backbone

if TYPE_CHECKING:
    from deltamem.backbone import Backbone

__all__ = ["figures", "lm_eval_answers", "own_answers"]

MODEL = "smollm2-135m"


def figures(
    tick: Callable[[int, int], None],
    *,
    data: Path | None = None,
    backbone: Backbone | None = None,
    prompts: int = 64,
    side_by_side: int = 16,
    new_tokens: int = 256,
    rounds: int = 1,
) -> Iterator[Figure]:
    """peers.lm_eval: samples per second of this package over those of lm-eval.

    Args:
        tick: progress of what is being timed.
        data: IFEval's official JSONL; None takes what was fetched, then the hub.
        backbone: answers; None is SmolLM2-135M.
        prompts: the first ones.
        side_by_side: answers that are decoded at once, at most.
        new_tokens: of an answer, at most.
        rounds: turns of either.

    Raises:
        Unavailable: lm-eval, the model or the data are not on this machine.
    """
    from deltamem_evaluations.benchmarks.ifeval import IFEval

    theirs = _lm_eval()
    benchmark = IFEval(path=None if data is None else str(data))
    benchmark.load()
    texts = [sample.question for sample in benchmark.samples()[:prompts]]
    backbone = named_backbone(MODEL) if backbone is None else backbone
    settings = {"side_by_side": side_by_side, "new_tokens": new_tokens}
    ratios, equal = [], 0
    for turn in range(rounds):
        own, own_seconds = _timed(lambda: own_answers(backbone, texts, **settings))
        tick(2 * turn + 1, 2 * rounds)
        other, seconds = _timed(lambda: lm_eval_answers(theirs, backbone, texts, **settings))
        tick(2 * turn + 2, 2 * rounds)
        ratios.append(seconds / own_seconds)
        equal = sum(a == b for a, b in zip(own, other, strict=True))
    size = f"{len(texts)} prompts, {side_by_side} side by side, {new_tokens} new tokens at most"
    setting = (
        f"lm-eval's process time over ours, {backbone.name}, {size}; "
        f"{equal} of {len(texts)} answers equal to the byte"
    )
    yield figure("peers.lm_eval", ratios, setting)


def own_answers(
    backbone: Backbone, texts: Sequence[str], *, side_by_side: int, new_tokens: int
) -> list[str]:
    """Answers as ``eval method=frozen`` has them."""
    from deltamem_baselines.frozen import Frozen
    from deltamem_evaluations.sample import Decoding, History, Prompt

    method = Frozen(backbone, context="none")
    method.reset(len(texts))
    method.write([History(messages=())] * len(texts))
    prompts = [Prompt(question=text, history=i, seed=0) for i, text in enumerate(texts)]
    decoding = Decoding(max_new_tokens=new_tokens)
    return [a.text for a in method.answer(prompts, decoding, side_by_side=side_by_side)]


def lm_eval_answers(
    kind: Any, backbone: Backbone, texts: Sequence[str], *, side_by_side: int, new_tokens: int
) -> list[str]:
    """Answers of ``lm_eval --model hf --apply_chat_template``, without white space around them.

    Args:
        kind: lm-eval's class of models.
        backbone: answers.
        texts: user turns.
        side_by_side: lm-eval's batch size.
        new_tokens: of an answer, at most.
    """
    from lm_eval.api.instance import Instance

    with _without_logs():
        model = kind(
            pretrained=backbone.model,
            tokenizer=backbone.tokenizer,
            batch_size=side_by_side,
            device=str(backbone.device),
        )
        how = {"until": [], "do_sample": False, "max_gen_toks": new_tokens}
        requests = [
            Instance(
                request_type="generate_until",
                doc={},
                arguments=(model.apply_chat_template([{"role": "user", "content": text}]), how),
                idx=number,
            )
            for number, text in enumerate(texts)
        ]
        return [text.strip() for text in model.generate_until(requests, disable_tqdm=True)]


def _timed(work: Callable[[], list[str]]) -> tuple[list[str], float]:
    began = time.process_time()
    return work(), time.process_time() - began


def _lm_eval() -> Any:
    try:
        from lm_eval.models.huggingface import HFLM
    except ImportError as missing:
        raise Unavailable(
            "lm-eval is not on this machine: pip install 'deltamem[ifeval]'"
        ) from missing
    return HFLM


@contextmanager
def _without_logs() -> Iterator[None]:
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
