"""Which of the found passages are read: the reranker's first ones, or the search's where there is no reranker."""

from __future__ import annotations

import logging
from collections.abc import Sequence
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


def choose(question: str, found: SearchResult, passages: Sequence[ReaderPassage]) -> SearchResult:
    """The search's result with only the hits to read, best first. `passages`: those of the hits that may be read; others are
    left out. A reranker that cannot work costs quality, never an answer."""
    hits = {hit.id: hit for hit in found.hits}
    return replace(found, hits=tuple(hits[passage] for passage in put_in_order(question, found, passages)[:PASSAGES_READ]))


def put_in_order(question: str, found: SearchResult, passages: Sequence[ReaderPassage]) -> list[int]:
    """The ids of the hits that are among `passages`, by the reranker; as the search has them where it cannot work."""
    there = {passage.id for passage in passages}
    hits = [hit.id for hit in found.hits if hit.id in there]
    try:
        reranker = get_reranker()
        relevance = reranker.relevance(question, passages) if reranker else {}
    except SpecialistError as error:
        logger.warning("The reranker cannot work: %s", error.public_message)
        relevance = {}
    return reorder(hits, relevance, (found.dense, found.lexical)) if relevance else hits
