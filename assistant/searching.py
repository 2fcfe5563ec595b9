"""A search by itself, without an answer: the passages that a person may read, best first, as a person reads them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from django.contrib.auth.models import User
from django.db.models import QuerySet

from assistant.reranking.using import in_order
from assistant.superseding import superseded
from ingestion.connections import release_connection
from ingestion.filters import FilterError, Filters, check_filters, filtered_ids, read_filters
from ingestion.models import Chunk, Corpus, Document, DocumentText, Partition
from ingestion.permissions import readable_chunks, readable_corpora, readable_documents, readable_partitions
from ingestion.versions import newer_versions

LOOKED_AT = 3  # hits for each passage that is asked for, since several become one
MOST_NEIGHBOURS = 4
SHINGLE = 4  # words
SAME_SHARE = 0.9  # of the shingles of both


@dataclass(frozen=True, slots=True)
class FoundPassage:
    """`score`: of the search, before the reranker put the first ones in order; it says nothing by itself. `text`, `start` and
    `end` are the chunk's, or reach over the neighbours of its document that were found too. `also_in`: older documents that say
    the same. `newer`: the newest version of its document that the person may read, where there is one."""

    rank: int
    score: float
    chunk: Chunk
    text: str
    start: int
    end: int
    also_in: tuple[Document, ...] = ()
    newer: Document | None = None


@dataclass(slots=True)
class _Found:
    score: float
    chunks: list[Chunk]
    also_in: dict[int, Document] = field(default_factory=dict)


def search_passages(
    *, user: User, query: str, corpora: Sequence[Corpus] = (), filters: Filters | None = None, top_k: int = 10
) -> list[FoundPassage]:
    """What the search brings within what `user` may read, the first ones in the order in which an answer reads them. Narrowed
    to `corpora` where there are any, by `filters` and by those in the query. Every hit passes the second gate. Raises
    RetrievalError and FilterError."""
    from retrieval.search import search

    words, wanted = read_search(query, filters, corpora or readable_corpora(user), readable_documents(user))
    partitions = list(readable_partitions(user, corpora=corpora or None).distinct())
    only = passing(partitions, wanted)
    release_connection()
    result = search(words, scope=[partition.key for partition in partitions], top_k=LOOKED_AT * top_k, only=only)
    scores = {hit.id: hit.score for hit in result.hits}
    chunks = {chunk.pk: chunk for chunk in readable_chunks(user, list(scores))}
    found = [_Found(scores[pk], [chunks[pk]]) for pk in in_order(words, result, chunks)]
    ordered = _newer_first(words, _without_copies(found))
    return _presented(_with_neighbours(ordered)[:top_k], user)


def read_search(
    query: str, filters: Filters | None, searched: Iterable[Corpus], readable: QuerySet[Document]
) -> tuple[str, Filters]:
    """The words to search for, and what narrows them. `searched`: the corpora that a filter may name; `readable`: the documents
    whose tags it may. Raises FilterError."""
    words, typed = read_filters(query)
    if typed and not words:
        raise FilterError("There are filters and no words. Type what to search for beside them.")
    wanted = (filters or Filters()).within(typed)
    check_filters(wanted, searched, readable)
    return words, wanted


def passing(partitions: Sequence[Partition], filters: Filters) -> frozenset[int] | None:
    """The passages that pass the filters; None where there are none, so that all do."""
    return filtered_ids(partitions, filters) if filters else None


def _without_copies(found: Sequence[_Found]) -> list[_Found]:
    """Passages of several documents that say the same are one, at the best one's place and with the newest one's words."""
    kept: list[tuple[_Found, frozenset[str]]] = []
    for item in found:
        own = _shingles(item.chunks[0].text)
        same = next((other for other, shingles in kept if _is_same(item, other, own, shingles)), None)
        if same is None:
            kept.append((item, own))
            continue
        older, newer = sorted((same.chunks[0], item.chunks[0]), key=lambda chunk: chunk.document.updated_at)
        same.chunks = [newer]
        same.also_in[older.document_id] = older.document
    return [item for item, _ in kept]


def _newer_first(words: str, found: list[_Found]) -> list[_Found]:
    """A passage of an earlier version comes right after what the newer one says instead."""
    newer = superseded(words, [item.chunks[0] for item in found])
    ordered = [item for item in found if item.chunks[0].pk not in newer]
    for item in found:
        if item.chunks[0].pk in newer:
            heir = newer[item.chunks[0].pk].pk
            places = {other.chunks[0].pk: place for place, other in enumerate(ordered)}
            before = sum(1 for other in found[: found.index(item)] if other in ordered)
            ordered.insert(max(before, places.get(heir, -1) + 1), item)
    return ordered


def _is_same(one: _Found, other: _Found, own: frozenset[str], shingles: frozenset[str]) -> bool:
    known = {other.chunks[0].document_id, *other.also_in}
    return one.chunks[0].document_id not in known and len(own & shingles) >= SAME_SHARE * len(own | shingles)


def _shingles(text: str) -> frozenset[str]:
    words = re.findall(r"\w+", text.casefold())
    return frozenset(" ".join(words[at : at + SHINGLE]) for at in range(max(1, len(words) - SHINGLE + 1)))


def _with_neighbours(found: Iterable[_Found]) -> list[_Found]:
    """A hit that stands right before or after a better one of its document joins it."""
    kept: list[_Found] = []
    for item in found:
        chunk = item.chunks[0]
        beside = next(
            (other for other in kept if _is_beside(chunk, other.chunks) and other.also_in.keys() == item.also_in.keys()), None
        )
        if beside is None:
            kept.append(item)
        else:
            beside.chunks.append(chunk)
    return kept


def _is_beside(chunk: Chunk, chunks: Sequence[Chunk]) -> bool:
    places = [item.position for item in chunks]
    is_near = chunk.position in (min(places) - 1, max(places) + 1)
    return chunk.document_id == chunks[0].document_id and is_near and len(chunks) < MOST_NEIGHBOURS


def _presented(found: Sequence[_Found], user: User) -> list[FoundPassage]:
    joined = [item.chunks[0].document_id for item in found if len(item.chunks) > 1]
    texts = dict(DocumentText.objects.filter(document__in=joined).values_list("document", "text"))
    newer = newer_versions({item.chunks[0].document for item in found}, readable_documents(user))
    presented = []
    for rank, item in enumerate(found, start=1):
        best = item.chunks[0]
        passage = FoundPassage(rank, item.score, best, best.text, best.start, best.end, tuple(item.also_in.values()))
        passage = replace(passage, newer=newer.get(best.document_id))
        if len(item.chunks) > 1 and best.document_id in texts:
            start, end = min(chunk.start for chunk in item.chunks), max(chunk.end for chunk in item.chunks)
            passage = replace(passage, text=texts[best.document_id][start:end], start=start, end=end)
        presented.append(passage)
    return presented
