"""Three papers in the two official formats of QASPER, with everything that rejects a question."""

from __future__ import annotations

from typing import Any


def said(**changes: Any) -> dict[str, Any]:
    """One annotator's entry."""
    answer = {
        "unanswerable": False,
        "extractive_spans": [],
        "yes_no": None,
        "free_form_answer": "",
        "evidence": [],
        "highlighted_evidence": [],
        **changes,
    }
    return {"answer": answer, "annotation_id": "a1", "worker_id": "w1"}


def asked(name: str, *answers: dict[str, Any], question: str | None = None) -> dict[str, Any]:
    return {
        "question": f"What is {name}?" if question is None else question,
        "question_id": name,
        "nlp_background": "two",
        "answers": list(answers),
    }


NOBODY = said(unanswerable=True)
FREE = said(free_form_answer=" A  β-model ", extractive_spans=["not this"])
OFFICIAL: dict[str, Any] = {
    "1911.1": {
        "title": "Long",
        "abstract": "An abstract.",
        "full_text": [
            {"section_name": "Introduction", "paragraphs": ["First par.", "", "Second 語."]},
            {"section_name": None, "paragraphs": ["Third."]},
            {"section_name": "Empty ::: Sub", "paragraphs": []},
            {"section_name": "End ::: Sub", "paragraphs": ["w " * 100]},
        ],
        "qas": [
            asked("free", NOBODY, FREE, said(free_form_answer="later")),
            asked("spans", said(extractive_spans=["one ", "", "two"], yes_no=True)),
            asked("none", NOBODY, NOBODY),
        ],
        "figures_and_tables": [{"file": "1.png", "caption": "A figure"}],
    },
    "1911.2": {
        "title": "Short",
        "abstract": "",
        "full_text": [{"section_name": "", "paragraphs": ["All of it."]}],
        "qas": [
            asked("yes", said(yes_no=True)),
            asked("no", said(yes_no=False)),
            asked("silent", said(), said()),
            asked("nobody"),
            asked("blank", FREE, question="  "),
            asked("long", said(free_form_answer="x" * 1000)),
        ],
        "figures_and_tables": [],
    },
    "1911.3": {
        "title": "No text",
        "abstract": "But an abstract.",
        "full_text": [],
        "qas": [asked("lost", FREE)],
        "figures_and_tables": [],
    },
}


def columns(entries: list[dict[str, Any]], *names: str) -> dict[str, list[Any]]:
    """Inside out, as the hub has lists of objects."""
    return {name: [entry[name] for entry in entries] for name in names}


def hub_rows() -> list[dict[str, Any]]:
    rows = []
    for name, paper in OFFICIAL.items():
        qas = [
            {**q, "answers": columns(q["answers"], "answer", "annotation_id", "worker_id")}
            for q in paper["qas"]
        ]
        rows.append(
            {
                "id": name,
                "title": paper["title"],
                "abstract": paper["abstract"],
                "full_text": columns(paper["full_text"], "section_name", "paragraphs"),
                "qas": columns(qas, "question", "question_id", "nlp_background", "answers"),
                "figures_and_tables": columns(paper["figures_and_tables"], "file", "caption")
                if paper["figures_and_tables"]
                else {"file": [], "caption": []},
            }
        )
    return rows
