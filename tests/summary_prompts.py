"""A checkout of MemoryAgentBench with made-up prompts of its judge of summaries."""

from __future__ import annotations

from pathlib import Path

FLUENT = 'Is it fluent? Say {{"fluency": 1}}.\n{text}'
RECALL = 'Which points are there? Say {{"recall": 2}}.\n{keypoints}\n<{summary}>'
PRECISION = (
    'What is true? Say {{"precision": 7, "sentence_count": 20}}.\n<{expert_summary}>\n<{summary}>'
)
OTHERS = 'fluency_prompt = f"{1}"\nimport nowhere\nnowhere.run()\n'
"""Lines of the file that are never run."""


def checkout(
    folder: Path, *, fluency: str = FLUENT, recall: str = RECALL, precision: str = PRECISION
) -> Path:
    """A checkout whose file of prompts has the benchmark's form; the texts are made up."""
    path = folder / "llm_based_eval" / "summarization_evaluate.py"
    path.parent.mkdir(parents=True)
    prompts = {"fluency": fluency, "recall": recall, "precision": precision}
    lines = [f"{name}_prompt_book = {text!r}\n" for name, text in prompts.items()]
    path.write_text(OTHERS + "".join(lines), encoding="utf-8")
    return folder
