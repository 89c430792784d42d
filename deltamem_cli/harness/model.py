"""The model of lm-eval: its own for transformers, with a memory on in every pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from lm_eval.api.model import CacheHook
from lm_eval.models.huggingface import HFLM
from lm_eval.utils import get_rolling_token_windows
from torch import Tensor

from deltamem import Attachment, MemoryState
from deltamem.backbone import Rendered
from deltamem.memory.writing import write_windows
from deltamem_base.counts import counted
from deltamem_base.faults import InvalidInput
from deltamem_cli.harness.by_segment import weigh
from deltamem_cli.harness.prompts import Prompt, Prompts, one_segment
from deltamem_cli.runs.build import load_with_memory
from deltamem_cli.runs.requests import HarnessRequest
from deltamem_cli.screen.console import Console
from deltamem_cli.settings.grammar import word
from deltamem_cli.settings.job import run_config

if TYPE_CHECKING:
    from lm_eval.api.instance import Instance

__all__ = ["DeltaMemLM"]

Answer = TypeVar("Answer")

OF_LM_EVAL = (
    "add_bos_token",
    "logits_cache",
    "max_length",
    "prefix_token_id",
    "softmax_dtype",
    "think_end_token",
    "truncation",
)
"""Arguments of lm-eval's own model that this one takes as well."""
DEVICE = "runtime.device"


class DeltaMemLM(HFLM):  # type: ignore[misc]  # the package has no types
    """A backbone with an adapter; :mod:`deltamem_cli.harness` says what it writes."""

    def __init__(
        self,
        *,
        batch_size: int | str = 1,
        max_batch_size: int = 64,
        device: str | None = None,
        **words: Any,
    ) -> None:
        """A model from ``--model_args``.

        Args:
            batch_size: requests side by side, or ``auto``.
            max_batch_size: the most that ``auto`` takes.
            device: of torch; CUDA where there is none is ``runtime.device=auto``, because lm-eval
                asks for it by default.
            words: settings of ``conf/lm_eval.yaml``, and what ``OF_LM_EVAL`` names.

        Raises:
            UsageError: a setting that does not exist, or several adapters that fit.
            Unavailable: no adapter, or no backbone.
        """
        own = {name: words.pop(name) for name in OF_LM_EVAL if name in words}
        if device is not None and (torch.cuda.is_available() or "cuda" not in device):
            words.setdefault(DEVICE, device)
        request: HarnessRequest = run_config(
            "lm_eval", HarnessRequest.of, [word(key, value) for key, value in words.items()]
        )
        console = Console()
        self.backbone, self.memory, self.chosen = load_with_memory(
            request.backbone, request.weights, console
        )
        super().__init__(
            pretrained=self.backbone.model,
            tokenizer=self.backbone.tokenizer,
            backend="causal",
            batch_size=batch_size,
            max_batch_size=max_batch_size,
            chat_template_args=dict(self.backbone.template.options),
            **own,
        )
        self.write, self.note = request.write, console.note
        self.prompts = Prompts(
            backbone=self.backbone, question_after=request.question_after, encode=self.tok_encode
        )
        self._state: MemoryState | None = None
        for note in (f"adapter {self.chosen.shown(self.memory.sha)}", *self.chosen.notes):
            console.note(note)

    def get_model_info(self) -> dict[str, object]:
        """Weights of the backbone and of the adapter, for lm-eval's file of results."""
        return {
            **asdict(self.backbone.identity),
            **self.backbone.numerics,
            "adapter": self.chosen.recorded(self.memory.sha).source,
            "adapter_sha": self.memory.sha,
            "write": self.write,
            "question_after": self.prompts.question_after,
        }

    def set_cache_hook(self, cache_hook: CacheHook) -> None:
        """Keep no answer by the part of its prompt that is in view: the history decides it, too."""
        if self.write == "prompt":
            super().set_cache_hook(cache_hook)

    def apply_chat_template(
        self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True
    ) -> str:
        """Text of some turns, whose parts are kept in mind."""

        def show(turns: Sequence[Mapping[str, str]]) -> str:
            text: str = super(DeltaMemLM, self).apply_chat_template(
                list(turns), add_generation_prompt=add_generation_prompt
            )
            return text

        whole = show(chat_history)
        if self.write == "history":
            self.prompts.remember(whole, chat_history, show=show)
        return whole

    def loglikelihood(
        self, requests: list[Instance], disable_tqdm: bool = False
    ) -> list[tuple[float, bool]]:
        """Log-probability of each continuation, and whether greedy decoding gives it."""
        return self._by_history(super().loglikelihood, requests, disable_tqdm)

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = False) -> list[str]:
        """The answer to each prompt."""
        return self._by_history(super().generate_until, requests, disable_tqdm)

    def loglikelihood_rolling(
        self, requests: list[Instance], disable_tqdm: bool = False
    ) -> list[float]:
        """Log-probability of each text.

        Raises:
            InvalidInput: the whole text would have to write by segments, and has none.
        """
        if self.write == "history":
            return [self._rolled(self.tok_encode(request.args[0])) for request in requests]
        if self.memory.config.writer.segment_unit is not None:
            raise InvalidInput(
                "with write=prompt, a text without a prompt has no segments, but this adapter "
                f"writes by {self.memory.config.writer.segment_unit}: use write=history, or an "
                "adapter that writes by token"
            )
        totals: list[float] = super().loglikelihood_rolling(requests, disable_tqdm=disable_tqdm)
        return totals

    def _by_history(
        self, ask: Callable[..., list[Answer]], requests: list[Instance], disable_tqdm: bool
    ) -> list[Answer]:
        """Answers of lm-eval's own loop, to the requests of each history from its state."""
        if self.write == "prompt":
            return ask(requests, disable_tqdm=disable_tqdm)
        prompts = [self.prompts.of(request.args[0]) for request in requests]
        together: dict[str | None, list[int]] = {}
        for number, prompt in enumerate(prompts):
            key = None if prompt.history is None else prompt.history.text
            together.setdefault(key, []).append(number)
        silent = len(together.get(None, ()))
        self.note(f"write=history: {counted(len(requests), 'request')}, {silent} without a history")
        answers: dict[int, Answer] = {}
        for numbers in together.values():
            self._state = self._written(prompts[numbers[0]].history)
            shown = [_showing(requests[number], prompts[number]) for number in numbers]
            answers.update(zip(numbers, ask(shown, disable_tqdm=True), strict=True))
        self._state = None
        return [answers[number] for number in range(len(requests))]

    def _written(
        self, history: Rendered | None, *, state: MemoryState | None = None
    ) -> MemoryState:
        """The state that a history leaves."""
        state = self.memory.zeros(1) if state is None else state
        if history is None:
            return state
        with self.memory.attach(self.model) as attached:
            return write_windows(
                attached, self.backbone, [history], state=state, window=self.backbone.window
            )

    def _rolled(self, ids: list[int]) -> float:
        """Log-probability of a text whose earlier windows are its history."""
        total, state = 0.0, self.memory.zeros(1)
        windows = get_rolling_token_windows(
            token_list=ids,
            prefix_token=self.prefix_token_id,
            max_seq_len=self.max_length,
            context_len=1,
        )
        for seen, weighed in windows:
            self._state = state
            context = seen[: len(seen) - len(weighed) + 1]
            [(part, _)] = super()._loglikelihood_tokens(
                [(None, context, weighed)], disable_tqdm=True, override_bs=1
            )
            total += part
            state = self._written(one_segment(weighed), state=state)
        self._state = None
        return total

    def _loglikelihood_tokens(
        self,
        requests: list[tuple[object, list[int], list[int]]],
        disable_tqdm: bool = False,
        override_bs: int | None = None,
    ) -> list[tuple[float, bool]]:
        """Weigh continuations; token by token where a prompt is a segment that writes first."""
        if self.write == "prompt" and self.memory.config.writer.segment_unit is not None:
            with self.memory.attach(self.model) as attached:
                return [
                    weigh(attached, context[-self.max_length :], continuation)
                    for _, context, continuation in requests
                ]
        weighed: list[tuple[float, bool]] = super()._loglikelihood_tokens(
            requests, disable_tqdm=disable_tqdm, override_bs=override_bs
        )
        return weighed

    def _model_call(self, inps: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        with self._attached(len(inps)):
            logits: Tensor = super()._model_call(inps, *args, **kwargs)
            return logits

    def _model_generate(self, context: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        with self._attached(len(context)):
            ids: Tensor = super()._model_generate(context, *args, **kwargs)
            return ids

    def _attached(self, batch: int) -> AbstractContextManager[Attachment]:
        """The memory on, for a batch of requests that begin from one state."""
        state = None if self._state is None else self._state.select([0] * batch)
        return self.memory.attach(
            self.model, state=state, write=self.write == "prompt", one_segment=True
        )


def _showing(request: Instance, prompt: Prompt) -> Instance:
    """A request whose prompt is only what stays in view."""
    return replace(request, arguments=(prompt.visible, *request.args[1:]))
