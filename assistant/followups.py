"""Understands a question in its conversation: “and for contractors?” becomes a question that can be searched for. Pure rules."""

from __future__ import annotations

import re
from collections.abc import Sequence

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
    """The question with what it leaves out taken from `previous`, the conversation's topic (see `topic`)."""
    question = " ".join(question.split())
    if not previous:
        return question
    rest = _CONNECTIVE.sub("", _CONNECTIVE.sub("", question)).strip(" ?!.")
    if not rest:
        return question
    if _is_fragment(question, rest):
        return _with_fragment(previous.rstrip(" ?!."), rest)
    if len(question.split()) <= _SHORT_WORDS and _REFERENCE.search(rest):
        return f"{previous.rstrip(' ?!.')}? {rest[0].upper()}{rest[1:]}?"
    return question


def topic(turns: Sequence[tuple[str, str]]) -> str | None:
    """What a follow-up refers to: the last question that was whole, or was made whole by putting one phrase for another.

    `turns` are (question, standalone question), oldest first. What was only appended to an older question is let go, so that
    follow-ups do not pile up.
    """
    earlier = [standalone for _, standalone in turns]
    for index in range(len(turns) - 1, -1, -1):
        standalone = earlier[index]
        if not any(_is_appended(standalone, older) for older in earlier[:index]):
            return standalone
    return None


def _is_appended(standalone: str, older: str) -> bool:
    stem = older.rstrip(" ?!.")
    return standalone.startswith((f"{stem},", f"{stem}?")) and len(standalone) > len(older) + 1


def _with_fragment(previous: str, fragment: str) -> str:
    """“in Porto” takes the place of “in Leeds”; where the question has no such phrase, it is appended."""
    opening = _PREPOSITION.match(fragment)
    if not opening:
        return f"{previous}, for {fragment}?"
    named = re.compile(rf"\b{opening[0]}(?:\s+[A-Z][\w-]*)+")
    phrase = re.compile(rf"\b{opening[0]}\b(?:(?!\b{_PREPOSITION.pattern[1:]})[^,?!])*", re.IGNORECASE)
    found = list(named.finditer(previous)) or list(phrase.finditer(previous))
    if not found:
        return f"{previous}, {fragment}?"
    last = found[-1]
    return f"{previous[: last.start()]}{fragment[0].lower()}{fragment[1:]} {previous[last.end() :].lstrip()}".rstrip() + "?"


def _is_fragment(question: str, rest: str) -> bool:
    """No question of its own: a few words after “and …”, or hardly any words at all."""
    if _WH.match(rest):
        return False
    words = len(rest.split())
    if _PREPOSITION.match(rest):
        return words <= _SHORT_WORDS if _CONNECTIVE.match(question) or _ABOUT.match(question) else words <= _FRAGMENT_WORDS
    return bool(_CONNECTIVE.match(question) or _ABOUT.match(question)) and words < _FRAGMENT_WORDS
