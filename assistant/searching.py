"""A search by itself, without an answer: the passages that a person may read, best first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib.auth.models import User

from ingestion.connections import release_connection
from ingestion.models import Chunk, Corpus
from ingestion.permissions import readable_chunks, readable_partitions


@dataclass(frozen=True, slots=True)
class FoundPassage:
    """`score`: of the fused ranks; it orders, and says nothing by itself."""

    rank: int
    score: float
    chunk: Chunk


def search_passages(*, user: User, query: str, corpora: Sequence[Corpus] = (), top_k: int = 10) -> list[FoundPassage]:
    """What the search brings within what `user` may read, narrowed to `corpora` where there are any. Every hit passes the second
    gate. Raises RetrievalError."""
    from retrieval.search import search

    scope = [partition.key for partition in readable_partitions(user, corpora=corpora or None).distinct()]
    release_connection()
    hits = search(query, scope=scope, top_k=top_k).hits
    chunks = {chunk.pk: chunk for chunk in readable_chunks(user, [hit.id for hit in hits])}
    kept = [hit for hit in hits if hit.id in chunks]
    return [FoundPassage(rank, hit.score, chunks[hit.id]) for rank, hit in enumerate(kept, start=1)]
