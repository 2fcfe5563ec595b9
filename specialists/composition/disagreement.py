"""Whether two documents contradict each other. A false alarm costs more trust than a missed one, so doubt says no."""

from __future__ import annotations

import re

from specialists.composition.terms import content_terms
from specialists.composition.types import Evidence
from specialists.composition.values import Value, differ

LEAST_COVERED = 0.5  # share of the question's terms that each sentence and its headings must hold
LEAST_SHARED = 0.34  # Jaccard overlap of the two sentences' terms
_YEAR = re.compile(r"\b(?:19|20)\d\d\b")
_REPLACED = re.compile(
    r"\b(?:superseded|replaced by|obsolete|archived?|withdrawn|no longer (?:valid|in force)|outdated|draft)\b", re.I
)


def is_disagreement(question: str, one: tuple[Evidence, str, Value], other: tuple[Evidence, str, Value]) -> bool:
    """Each side: the passage, the quoted words, and the value of the span in them."""
    (here, words, value), (there, other_words, other_value) = one, other
    if here.document == there.document or not differ(value, other_value):
        return False
    asked = terms_of(question)
    own, theirs = terms_of(f"{_place(here)} {words}"), terms_of(f"{_place(there)} {other_words}")
    is_covered = all(len(asked & terms) >= LEAST_COVERED * len(asked) for terms in (own, theirs))
    if not asked or not is_covered or (asked & own) != (asked & theirs):
        return False
    left, right = terms_of(words), terms_of(other_words)
    return len(left & right) >= LEAST_SHARED * len(left | right)


def is_older_version(question: str, old: Evidence, new: Evidence) -> bool:
    """Whether `old` is an earlier edition of `new`, or says that it has been replaced, and the question does not ask for it."""
    years = set(_YEAR.findall(question))
    if years & set(_YEAR.findall(old.context)) or _REPLACED.search(question) or _name(old) != _name(new):
        return False
    if _REPLACED.search(old.title) and not _REPLACED.search(new.title):
        return True
    ages = [max(map(int, _YEAR.findall(item.title)), default=0) for item in (old, new)]
    return bool(ages[0]) and ages[0] < ages[1]


def _name(evidence: Evidence) -> list[str]:
    """The words of the title without years and without what says that it was replaced: the same for editions of one document."""
    return re.findall(r"\w+", _REPLACED.sub(" ", _YEAR.sub(" ", evidence.title)).lower())


def terms_of(text: str) -> set[str]:
    """The terms without figures, which are what may differ."""
    return {term for term in content_terms(text) if not any(char.isdigit() for char in term)}


def _place(evidence: Evidence) -> str:
    return " ".join(evidence.context.split("\n")[0].split(" > ")[1:])
