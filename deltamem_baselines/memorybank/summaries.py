"""Summaries by the frozen backbone itself, greedy, of texts of any length.

What does not fit the window is summarised in parts of whole sentences, and the parts' summaries
again, until one is left; nothing is cut off.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deltamem.backbone import Backbone, generate
from deltamem_base.faults import InvalidInput
from deltamem_baselines.retrieval.units import TokenStarts, shown, split_units

__all__ = ["DAY", "OVERVIEW", "Summariser"]

DAY = (
    "Here is what was said or read on one day:\n\n{text}\n\nNote in at most {words} words what is "
    "worth remembering of it: who did what, when and where, names, numbers, likes and plans. Write "
    "only the notes."
)
OVERVIEW = (
    "Here are notes on several days, in their order:\n\n{text}\n\nTell in at most {words} words "
    "what matters in them as a whole; where a later note corrects an earlier one, keep the later. "
    "Write only the account."
)
WORDS_PER_TOKEN = 5 / 8
SAFE = 0.9
"""Share of the window that texts are packed to: joined sentences may have a few tokens more."""
BATCH = 8


@dataclass(frozen=True, kw_only=True)
class _Greedy:
    max_new_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0


class Summariser:
    """A backbone that is asked for summaries."""

    def __init__(self, backbone: Backbone, *, max_tokens: int, token_starts: TokenStarts) -> None:
        """``max_tokens``: of a summary; at most a quarter of the window is used for one.

        Raises:
            InvalidInput: no tokens, or a window too small to summarise in.
        """
        if max_tokens < 1:
            raise InvalidInput(f"summary_tokens is {max_tokens}; use at least 1")
        self.backbone, self._token_starts = backbone, token_starts
        self.max_tokens = min(max_tokens, backbone.window // 4)
        frame = max(len(self._prompt("", what)) for what in (DAY, OVERVIEW))
        self.room = int((backbone.window - self.max_tokens - frame) * SAFE)
        """Tokens of text in one prompt."""
        if self.room < 2 * self.max_tokens:
            raise InvalidInput(
                f"a window of {backbone.window} tokens is too small for summaries of "
                f"{self.max_tokens}; lower method.summary_tokens"
            )

    def __call__(self, texts: Sequence[str], what: str) -> list[str]:
        """One summary for each text.

        Args:
            texts: any length.
            what: :data:`DAY` or :data:`OVERVIEW`, the directions.
        """
        parts = [self._parts(text) for text in texts]
        flat = self._generate([part for split in parts for part in split], what)
        summaries = []
        for split in parts:
            own, flat = flat[: len(split)], flat[len(split) :]
            summaries.append("\n".join(own))
        again = [i for i, split in enumerate(parts) if len(split) > 1]
        if again:
            for i, summary in zip(again, self([summaries[i] for i in again], what), strict=True):
                summaries[i] = summary
        return summaries

    def _parts(self, text: str) -> list[str]:
        messages = [{"role": "user", "content": text}]
        units = split_units(messages, "chunk", size=self.room, token_starts=self._token_starts)
        return [shown(messages, [unit])[0]["content"] for unit in units]

    def _generate(self, texts: Sequence[str], what: str) -> list[str]:
        decoding = _Greedy(max_new_tokens=self.max_tokens)
        written: list[str] = []
        for start in range(0, len(texts), BATCH):
            prompts = [self._prompt(text, what) for text in texts[start : start + BATCH]]
            answers = generate(self.backbone, prompts, decoding, seeds=[0] * len(prompts))
            written += [answer.text for answer in answers]
        return written

    def _prompt(self, text: str, what: str) -> list[int]:
        words = max(1, int(self.max_tokens * WORDS_PER_TOKEN))
        content = what.format(text=text, words=words)
        turn = {"role": "user", "content": content}
        return self.backbone.render([turn], add_generation_prompt=True).ids
