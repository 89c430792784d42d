"""A history that stays in view is rendered once, and cut where it does not fit."""

from __future__ import annotations

from typing import Any

from counting_tokenizer import counting, renderings

from deltamem.backbone.contexts.visible import VisibleContext, fit_history
from deltamem_evaluations.sample import Cut, History

TALK = (
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Today Ada is in Oslo."},
    {"role": "assistant", "content": "I had some tea."},
)


def test_what_fits_is_rendered_once(tiny: Any) -> None:
    backbone, once = counting(tiny, TALK)
    (report,) = VisibleContext(backbone, batch=1).read([History(messages=TALK)])
    assert renderings(backbone) == once
    assert report.original_tokens == report.shown_tokens == len(tiny.render_history(TALK).ids)


def test_what_is_cut_is_the_rendering_of_what_is_left(tiny: Any) -> None:
    history = History(messages=TALK, cut=Cut(side="start", max_chars=16))
    fitted = fit_history(tiny, TALK, history)
    assert [m["content"] for m in fitted.messages] == ["Be brief.", "I had some tea."]
    assert fitted.rendered.ids == tiny.render_history(fitted.messages).ids
    assert fitted.original_tokens == len(tiny.render_history(TALK).ids)
