"""What a question asks for, and how much of it a text holds."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence

from specialists.composition.terms import content_terms
from specialists.composition.types import Evidence
from specialists.composition.values import Value

KINDS = {
    "asks_number": re.compile(
        r"\b(?:how (?:many|much|long|often|old|far|big|large|high|tall)|what (?:percentage|number|amount)|"
        r"(?:limit|rate|price|cost|budget|maximum|minimum)\b)"
    ),
    "asks_time": re.compile(r"\b(?:when|(?:what|which) (?:year|date|day|time|month|decade|century))\b"),
    "asks_who": re.compile(r"\b(?:who|whom|whose)\b"),
    "asks_why_or_how": re.compile(r"\b(?:why|how (?:do|does|did|can|should|is|are|to))\b"),
    "asks_yes_or_no": re.compile(r"^(?:is|are|was|were|do|does|did|can|could|may|must|should|will|would|has|have|am)\b"),
}


def kinds_of(question: str) -> dict[str, float]:
    asked = question.lower().strip()
    return {name: float(bool(pattern.search(asked))) for name, pattern in KINDS.items()}


def type_match(question: str, span: str, value: Value) -> float:
    """1 when the span is the kind of thing that is asked for, −1 when it is not, 0 when the question does not say."""
    kinds = kinds_of(question)
    fits = {
        "asks_number": value.kind != "words",
        "asks_time": value.kind == "date" or bool(value.numbers),
        "asks_who": any(word[:1].isupper() for word in span.split()),
    }
    named = [fits[name] for name in fits if kinds[name]]
    return 0.0 if not named else 1.0 if any(named) else -1.0


def term_weights(question: str, evidence: Sequence[Evidence]) -> dict[str, float]:
    """The question's terms; those that few of the passages hold weigh more."""
    held = [set(content_terms(f"{item.context} {item.text}")) for item in evidence]
    return {
        term: math.log(1 + (1 + len(evidence)) / (1 + sum(term in terms for terms in held))) for term in content_terms(question)
    }


def coverage(weights: Mapping[str, float], texts: Iterable[str]) -> float:
    """The weighed share of the question's terms that the texts hold together."""
    total = sum(weights.values())
    held = {term for text in texts for term in content_terms(text)}
    return sum(weight for term, weight in weights.items() if term in held) / total if total else 0.0
