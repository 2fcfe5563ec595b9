"""The words of an answer's step line: routes, stages and times as people say them."""

from __future__ import annotations

from collections.abc import Mapping

from django import template

register = template.Library()

_ROUTES = {"extractive": "quoted by the extractive reader"}
_STAGES = {
    "authorize": "Checking access",
    "retrieve": "Searching",
    "gate": "Checking access again",
    "compose": "Choosing sentences",
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
def timing_rows(timings_ms: Mapping[str, float]) -> list[tuple[str, str]]:
    """The stages in the order they ran, the sum last; each with its time in milliseconds."""
    names = sorted(timings_ms, key=lambda name: name == "total")
    return [(_STAGES.get(name, name.replace("_", " ").capitalize()), f"{timings_ms[name]:,.0f} ms") for name in names]
