"""Understands a question in its conversation: “and for contractors?” becomes a question that can be searched for. Pure rules."""

from __future__ import annotations

import re

_CONNECTIVE = re.compile(r"^(?:and|but|or|so|then|also|ok(?:ay)?|what about|how about)\b[\s,]*", re.IGNORECASE)
_ABOUT = re.compile(r"^(?:and |but |or |so )?(?:what|how) about\b", re.IGNORECASE)
_PREPOSITION = re.compile(r"^(?:for|in|on|at|with|without|during|after|before|from|to|as|if|when|under|over|by)\b", re.IGNORECASE)
_WH = re.compile(
    r"^(?:who|whom|whose|what|when|where|why|which|how|is|are|was|were|do|does|did|can|could|may|must|should|will|would|has|have)\b",
    re.IGNORECASE,
)
_REFERENCE = re.compile(
    r"\b(?:it|its|that|this|they|them|their|theirs|those|these|he|him|his|she|her|hers|there|one|ones|same)\b", re.IGNORECASE
)
_SHORT_WORDS = 9
_FRAGMENT_WORDS = 4


def standalone_question(question: str, previous: str | None) -> str:
    """The question with what it leaves out taken from `previous` (the last question, already standalone)."""
    question = " ".join(question.split())
    if not previous:
        return question
    rest = _CONNECTIVE.sub("", _CONNECTIVE.sub("", question)).strip(" ?!.")
    if not rest:
        return question
    if _is_fragment(question, rest):
        link = " " if _PREPOSITION.match(rest) else " for "
        return f"{previous.rstrip(' ?!.')},{link}{rest}?"
    if len(question.split()) <= _SHORT_WORDS and _REFERENCE.search(rest):
        return f"{previous.rstrip(' ?!.')}? {rest[0].upper()}{rest[1:]}?"
    return question


def _is_fragment(question: str, rest: str) -> bool:
    """No question of its own: a few words after “and …”, or hardly any words at all."""
    words = len(rest.split())
    if _WH.match(rest):
        return False
    return (bool(_CONNECTIVE.match(question) or _ABOUT.match(question)) and words <= _SHORT_WORDS) or (
        words <= _FRAGMENT_WORDS and bool(_PREPOSITION.match(rest))
    )
