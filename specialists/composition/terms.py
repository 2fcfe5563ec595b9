"""The terms of a question or sentence that say what it is about: the search's own, without the words of asking."""

from __future__ import annotations

from functools import cache

_ASKING = (
    "how what which who whom whose when where why do does did doing done can could may might must should shall will "
    "would have has had having be been being am is are was were get gets got getting i me my mine we us our you your he "
    "she him his her they them their there here about many much please tell say says said mean means list give let one "
    "any some also from than so such "
)


@cache
def _words_of_asking() -> frozenset[str]:
    from retrieval.terms import query_terms

    return frozenset(term for word in _ASKING.split() for term in query_terms(word))


def content_terms(text: str) -> list[str]:
    """The distinct terms in the order of the text."""
    from retrieval.terms import query_terms

    return [term for term in query_terms(text) if term not in _words_of_asking()]
