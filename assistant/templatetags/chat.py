"""The words of an answer's step line: routes, stages and times as people say them."""

from __future__ import annotations

from collections.abc import Mapping

from django import template

from assistant.presentation import PresentedAnswer

register = template.Library()

_ROUTES = {
    "extractive": "quoted by the sentence composer",
    "quotes": "quoted by the sentence composer",
    "reader": "read by the reader",
    "specialist": "written by the language model",
    "smalltalk": "short reply",
    "human": "for a person",
}
_STAGES = {
    "authorize": "Checking access",
    "embed": "Embedding the question",
    "retrieve": "Searching",
    "gate": "Checking access again",
    "rerank": "Ordering",
    "route": "Choosing the way",
    "compose": "Choosing sentences",
    "read": "Reading",
    "total": "In all",
}


@register.filter
def route_words(route: str) -> str:
    return _ROUTES.get(route, f"answered by {route}")


@register.filter
def seconds(value: float) -> str:
    """0.243 becomes “0.24 s”, 12.31 becomes “12 s”."""
    return f"{value:.2f} s" if value < 1 else f"{value:.1f} s" if value < 10 else f"{value:.0f} s"


@register.filter
def supported_words(answer: PresentedAnswer) -> str:
    """“2 of 3 sentences supported, 1 hidden from you”: a hidden sentence has its evidence, but not for this viewer. Nothing of an
    answer of which the viewer sees no sentence."""
    if answer.is_short_reply or answer.is_hidden:
        return ""
    words = f"{answer.supported} of {answer.total} sentence{'' if answer.total == 1 else 's'} supported"
    return f"{words}, {answer.hidden} hidden from you" if answer.hidden else words


@register.filter
def timing_rows(timings_ms: Mapping[str, float]) -> list[tuple[str, str]]:
    """The stages in the order they ran, the sum last; each with its time in milliseconds."""
    names = sorted(timings_ms, key=lambda name: name == "total")
    return [(_STAGES.get(name, name.replace("_", " ").capitalize()), f"{timings_ms[name]:,.0f} ms") for name in names]
