"""Where the reranker is used: by each corpus's choice, and under “automatic” by what its own questions show.

Decided for each passage by its corpus. A question that searches several corpora must not move the passages of one whose owner
has switched the reranker off, or that it was shown to harm, because most of the others use it. What is not moved keeps its place
(specialists/reranker/choosing.py)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from enum import Enum
from typing import TYPE_CHECKING

from assistant.reranking.models import Choice, CorpusReranking
from ingestion.connections import lend_connection
from ingestion.models import Chunk, Corpus

if TYPE_CHECKING:
    from retrieval.search import SearchResult

LEAST_QUESTIONS = 20  # with fewer, one question moves the mean by more than there is to be gained
LEAST_GAIN = 1.0  # points of nDCG@10: less is not worth the reranker's time


class Verdict(Enum):
    """What a corpus's own questions show. UNDECIDED: the figures of the public sets count, by which it is used."""

    HELPS = "helps"
    DOES_NOT = "does not help"
    UNDECIDED = "undecided"


def verdict_on(row: CorpusReranking) -> Verdict:
    """It helps where the interval of the gain is above nothing. It does not where the mean is no gain, or where the interval has
    no place for one that is worth its time."""
    if row.questions < LEAST_QUESTIONS or row.low is None or row.high is None:
        return Verdict.UNDECIDED
    if row.low > 0:
        return Verdict.HELPS
    return Verdict.DOES_NOT if row.gain <= 0 or row.high < LEAST_GAIN else Verdict.UNDECIDED


def is_used(row: CorpusReranking) -> bool:
    if row.choice != Choice.AUTOMATIC:
        return row.choice == Choice.ON
    return verdict_on(row) is not Verdict.DOES_NOT


def is_reranked(corpus: Corpus) -> bool:
    row = CorpusReranking.objects.filter(corpus=corpus).first()
    return row is None or is_used(row)


def not_reranked(corpora: Collection[int]) -> set[int]:
    """Those of these corpora whose passages stay in the search's order."""
    return {row.corpus_id for row in CorpusReranking.objects.filter(corpus__in=corpora) if not is_used(row)}


def movable(chunks: Iterable[Chunk]) -> set[int]:
    """Those of these passages that the reranker may move."""
    chunks = list(chunks)
    left = not_reranked({chunk.document.corpus_id for chunk in chunks})
    return {chunk.pk for chunk in chunks if chunk.document.corpus_id not in left}


def in_order(question: str, found: SearchResult, chunks: Mapping[int, Chunk]) -> list[int]:
    """The passages that were found and are in `chunks`: the first candidates in the order in which an answer reads them, then
    the others."""
    from specialists.reader.serving import ReaderPassage
    from specialists.reranker.choosing import CANDIDATES, put_in_order

    head = replace(found, hits=found.hits[:CANDIDATES])
    passages = [ReaderPassage(hit.id, chunks[hit.id].text, chunks[hit.id].context) for hit in head.hits if hit.id in chunks]
    among = movable(chunks[passage.id] for passage in passages)
    lend_connection()  # the model works now
    first = put_in_order(question, head, passages, among=among)
    return [*first, *(hit.id for hit in found.hits[CANDIDATES:] if hit.id in chunks)]
