"""Which of the found passages are read: the reranker's first ones, or the search's where there is no reranker."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from specialists.errors import SpecialistError
from specialists.reader.serving import ReaderPassage
from specialists.reranker.ordering import reorder
from specialists.reranker.serving import get_reranker

if TYPE_CHECKING:
    from retrieval.search import SearchResult

logger = logging.getLogger(__name__)

CANDIDATES = 16  # that a search brings
PASSAGES_READ = 8  # reading takes most of an answer's time
_LATIN = re.compile("[A-Za-z]")


def choose(
    question: str, found: SearchResult, passages: Sequence[ReaderPassage], *, among: Collection[int] | None = None
) -> SearchResult:
    """The search's result with only the hits to read, best first. `passages`: those of the hits that may be read; others are
    left out. `among`: see put_in_order. A reranker that cannot work costs quality, never an answer."""
    hits = {hit.id: hit for hit in found.hits}
    order = put_in_order(question, found, passages, among=among)
    return replace(found, hits=tuple(hits[passage] for passage in order[:PASSAGES_READ]))


def put_in_order(
    question: str, found: SearchResult, passages: Sequence[ReaderPassage], *, among: Collection[int] | None = None
) -> list[int]:
    """The ids of the hits that are among `passages`, by the reranker; as the search has them where it cannot work.

    `among`: the passages that the reranker may move (None: all). The others keep the places that the search gave them, and those
    that move share the places that are left: a relevance says nothing beside a passage that has none."""
    there = {passage.id for passage in passages}
    hits = [hit.id for hit in found.hits if hit.id in there]
    movable = hits if among is None else [passage for passage in hits if passage in among]
    if not movable or not can_rank(question):
        return hits
    relevance = _relevance(question, [passage for passage in passages if among is None or passage.id in among])
    if not relevance:
        return hits
    moved = iter(reorder(movable, relevance, (found.dense, found.lexical)))
    may_move = set(movable)
    return [next(moved) if passage in may_move else passage for passage in hits]


def can_rank(question: str) -> bool:
    """It has learnt from English: of a question in another script it knows nothing, and the search at least finds its words."""
    return _LATIN.search(question) is not None


def _relevance(question: str, passages: Sequence[ReaderPassage]) -> dict[int, float]:
    try:
        reranker = get_reranker()
        return reranker.relevance(question, passages) if reranker else {}
    except SpecialistError as error:
        logger.warning("The reranker cannot work: %s", error.public_message)
        return {}
