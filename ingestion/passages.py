"""Passages as they are embedded, by their ids."""

from __future__ import annotations

from collections.abc import Sequence

from ingestion.models import Chunk
from retrieval.passages import Passage

AT_ONCE = 500


def passages_of(ids: Sequence[int]) -> list[Passage]:
    """Of these ids those that are in the database, live or about to be."""
    found: list[Passage] = []
    for start in range(0, len(ids), AT_ONCE):
        rows = Chunk.objects.filter(pk__in=list(ids[start : start + AT_ONCE])).values_list("pk", "text", "context")
        found += [Passage(*row) for row in rows]
    return found
