"""The one loop: write each history once, ask all its questions, store every answer at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, Protocol

from deltamem_base.faults import Fault, InvalidInput
from deltamem_evaluations.benchmark import Benchmark, Scored
from deltamem_evaluations.controls import control_history
from deltamem_evaluations.grouping import Group, batches, questions, told
from deltamem_evaluations.memory_limits import free_memory, out_of_memory
from deltamem_evaluations.method import Answer, MemoryMethod, WeighedAnswer, WriteReport
from deltamem_evaluations.records.answered import line_of
from deltamem_evaluations.records.store import SampleStore
from deltamem_evaluations.sample import Decoding, History, Prompt, Sample, prompt_of

__all__ = ["Plan", "Progress", "plan_samples", "run", "run_history"]

QUESTION_TOKENS = 512
"""Room for a question in view; longer ones are rare, and counted by their characters."""


class Progress(Protocol):
    """Is told how far a run is."""

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """``done`` of ``total`` samples are answered; ``note``: how much was written."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Settings of a run; nothing here but ``writes`` and ``seed`` changes an answer."""

    likelihood: bool = False
    """Whether the first reference of each question is weighed beside the answer."""

    writes: str = "own"
    """Choice of a control: ``own``, ``foreign`` or ``nothing`` is written."""
    seed: int = 0
    limit: int | None = None
    """Only the first samples."""
    batch_size: int = 16
    """Histories written and questions answered side by side, at most."""


def plan_samples(benchmark: Benchmark, limit: int | None) -> Sequence[Sample]:
    """The samples that a run with this limit answers.

    Raises:
        InvalidInput: the limit leaves none.
    """
    samples = benchmark.samples()
    chosen = samples if limit is None else samples[:limit]
    if not chosen:
        raise InvalidInput(f"limit={limit} leaves none of {len(samples)} samples")
    return chosen


def run(
    benchmark: Benchmark,
    method: MemoryMethod,
    store: SampleStore,
    *,
    plan: Plan,
    asked: Sequence[Sample] | None = None,
    progress: Progress | None = None,
    on_note: Callable[[str], None] = lambda note: None,
) -> list[Scored]:
    """Answer and score what is missing in ``store``; return all that was asked.

    Args:
        benchmark: loaded.
        method: answers.
        store: keeps what was answered, now or before.
        plan: which samples, and how.
        asked: the part of the plan's samples that is asked here; None is all.
        progress: told after every batch.
        on_note: told of every deviation, such as a batch that was halved for want of memory.

    Returns:
        The scored samples, in the order of the benchmark.
    """
    samples = plan_samples(benchmark, plan.limit) if asked is None else asked
    missing = [sample for sample in samples if sample.id not in store.lines]
    loop = _Loop(benchmark, method, store, plan=plan, on_note=on_note)
    loop.report = progress or (lambda done, total, note="": None)
    loop.done, loop.total = len(samples) - len(missing), len(samples)
    loop.tell()
    for groups in batches(benchmark, missing, plan.batch_size):
        loop.run_groups(groups)
    store.check_in_place()
    return [Scored(sample=s, scores=store.lines[s.id].scores) for s in samples]


class _Loop:
    """Writes and asks batch by batch, and smaller batches where memory runs out."""

    report: Progress
    done = total = written = 0

    def __init__(
        self,
        benchmark: Benchmark,
        method: MemoryMethod,
        store: SampleStore,
        *,
        plan: Plan,
        on_note: Callable[[str], None],
    ) -> None:
        self.benchmark, self.method, self.store = benchmark, method, store
        self.plan, self.on_note = plan, on_note
        asked = groupby(plan_samples(benchmark, plan.limit), key=lambda sample: sample.history_id)
        # those answered before as well: they decide what room a history leaves
        self.members = {history_id: list(members) for history_id, members in asked}
        self.order = list(dict.fromkeys(sample.history_id for sample in benchmark.samples()))
        self.writes = self.asks = plan.batch_size

    def run_groups(self, groups: Sequence[Group]) -> None:
        """Write the histories of some groups together, then ask all their questions."""
        if told(groups) > self.writes:
            self._halve(self.run_groups, groups)
            return
        histories = [
            run_history(
                self.benchmark,
                self.members[group.history_id],
                writes=self.plan.writes,
                order=self.order,
            )
            for group in groups
        ]
        self.method.reset(len(groups))
        try:
            written = self.method.write(histories)
        except Exception as fault:
            if _of_one(fault, [group.history_id for group in groups], what="history"):
                self._halve(self.run_groups, groups)
                return
            size = max(told(groups), 1)
            self.writes = self._smaller(fault, size, what="histories written")
            self._halve(self.run_groups, groups)
            return
        self.written += sum(report.written_tokens for report in written)
        self.tell()
        for asked, decoding in questions(self.benchmark, groups):
            self._ask(asked, decoding, groups, written)

    def _ask(
        self,
        asked: Sequence[tuple[int, Sample]],
        decoding: Decoding,
        groups: Sequence[Group],
        written: Sequence[WriteReport],
    ) -> None:
        """Ask until every answer is stored, with fewer side by side where memory runs out."""
        waiting = dict(enumerate(asked))
        while waiting:
            numbers = list(waiting)
            nats: dict[int, float | None] = {}

            def keep(
                place: int,
                answer: Answer,
                numbers: Sequence[int] = numbers,
                nats: Mapping[int, float | None] = nats,
            ) -> None:
                i, sample = waiting.pop(numbers[place])
                share = len(groups[i].samples)
                self._store(sample, answer, decoding, written[i], share=share, nats=nats.get(place))

            prompts = [
                prompt_of(s, history=i, run_seed=self.plan.seed) for i, s in waiting.values()
            ]
            try:
                nats.update(self._weighed(prompts, [s for _, s in waiting.values()], decoding))
                answers = self.method.answer(
                    prompts, decoding, side_by_side=self.asks, on_answer=keep
                )
            except Exception as fault:
                left = list(waiting.values())
                if _of_one(fault, [sample.id for _, sample in left], what="sample"):
                    self._halve(lambda part: self._ask(part, decoding, groups, written), left)
                    return
                size = max(min(self.asks, len(left)), 1)
                self.asks = self._smaller(fault, size, what="questions answered")
                continue
            for place, answer in enumerate(answers):
                if numbers[place] in waiting:
                    keep(place, answer)

    def _store(
        self,
        sample: Sample,
        answer: Answer,
        decoding: Decoding,
        written: WriteReport,
        *,
        share: int,
        nats: float | None,
    ) -> None:
        line = line_of(
            self.benchmark,
            sample,
            answer,
            written,
            decoding=decoding,
            reference_nll=nats,
            share=share,
            key=self.store.key,
            origin=self.store.origin,
        )
        self.store.append([line])
        self.done += 1
        self.tell()

    def _weighed(
        self, prompts: Sequence[Prompt], samples: Sequence[Sample], decoding: Decoding
    ) -> dict[int, float | None]:
        """Nats a token of the samples' first references, by place; of those that can be weighed."""
        places = [place for place, sample in enumerate(samples) if sample.weighed is not None]
        if not self.plan.likelihood or not places:
            return {}
        given = [replace(prompts[place], given=samples[place].weighed) for place in places]
        answers = self.method.answer(given, decoding, side_by_side=self.asks)
        return {
            place: answer.nats
            for place, answer in zip(places, answers, strict=True)
            if isinstance(answer, WeighedAnswer)
        }

    def tell(self) -> None:
        """Report questions answered and tokens written so far."""
        note = f"{self.written:,} tokens written" if self.written else ""
        self.report(self.done, self.total, note)

    def _smaller(self, fault: Exception, size: int, *, what: str) -> int:
        """Half the size that did not fit; anything but a lack of memory is raised again."""
        if not out_of_memory(fault):
            raise fault
        if size == 1:
            raise Fault(
                f"memory ran out even with {what} one by one; all answers so far are kept. Use a "
                "smaller method.window, runtime.dtype=bfloat16, or another device"
            ) from fault
        free_memory()
        self.on_note(f"memory ran out with {size} {what} side by side; went on with {size // 2}")
        return size // 2

    def _halve(self, act: Callable[[Any], None], items: Sequence[Any]) -> None:
        middle = (len(items) + 1) // 2
        act(items[:middle])
        act(items[middle:])


def _of_one(fault: Exception, ids: Sequence[str], *, what: str) -> bool:
    """Whether one of a batch is at fault, which halves of the batch will show; one alone is named.

    Raises:
        Fault: ``ids`` is that one.
    """
    if not getattr(fault, "of_one_prompt", False):
        return False
    if len(ids) == 1:
        raise Fault(f"{what} {ids[0]}: {fault}; all answers so far are kept") from fault
    return True


def run_history(
    benchmark: Benchmark, samples: Sequence[Sample], *, writes: str, order: Sequence[str]
) -> History:
    """The history that a run writes before it asks ``samples``, which share it.

    It stands under the control, with room reserved for the questions and their answers.
    """
    history = control_history(benchmark, samples[0].history_id, writes=writes, order=order)
    question = max(max(len(s.question) for s in samples), QUESTION_TOKENS)
    answer = max(benchmark.decoding(s).max_new_tokens for s in samples)
    return replace(history, reserve=question + answer)
