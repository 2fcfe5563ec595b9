"""Figures as words: shares, times, money, and the names of routes."""

from __future__ import annotations

from decimal import Decimal

from django import template

from assistant.ledger import presentation
from assistant.ledger.report import NO_ROUTE, STOPPED, TierFigures

register = template.Library()

_NAMES = {
    NO_ROUTE: "No route (failed)",
    STOPPED: "Stopped by the asker",
    "extractive": "Quotes",
    "quotes": "Quotes",
    "reader": "Reader",
    "specialist": "Specialist",
    "largest": "Largest model",
    "human": "A person",
    "smalltalk": "Small talk",
}


@register.filter
def percent(value: float | None) -> str:
    return presentation.share(value if isinstance(value, int | float) else None)


@register.filter
def milliseconds(value: float | None) -> str:
    return presentation.milliseconds(value)


@register.filter
def money(value: Decimal | None) -> str:
    return presentation.money(value)


@register.filter
def of_a_thousand(value: Decimal | None) -> Decimal | None:
    return presentation.of_a_thousand(value)


@register.filter
def route_name(route: str) -> str:
    return _NAMES.get(route, route)


@register.filter
def outcomes(tier: TierFigures) -> str:
    return presentation.outcome_words(tier)
