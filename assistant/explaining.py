"""What each stage of a search did with a question: by meaning, by words, fused, fused again with feedback, filtered by the second
gate, put in order."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.contrib.auth.models import User

from assistant.reranking.using import in_order, not_reranked
from assistant.searching import passing, read_search
from assistant.superseding import superseded
from ingestion.filters import Filters
from ingestion.models import Chunk, Corpus, Document
from ingestion.permissions import readable_chunks, readable_corpora, readable_documents, readable_partitions

SHOWN = 20  # of each side, and of the fused list
COLUMNS = {"dense": "Meaning", "lexical": "Words", "fused": "Fused", "feedback": "Feedback", "reranked": "Reranked"}


@dataclass(frozen=True, slots=True)
class Place:
    """A passage in one column. `moved`: how many places up from the column before it; negative: down; None where one of the two
    does not have it."""

    column: str
    label: str
    rank: int | None
    moved: int | None

    @property
    def arrow(self) -> str:
        """▲2, ▼1, or nothing."""
        return f"{'▲' if self.moved > 0 else '▼'}{abs(self.moved)}" if self.moved else ""


@dataclass(frozen=True, slots=True)
class Explained:
    """A passage and its ranks; None where a stage did not bring it. `feedback`: after feedback from the first ones. `is_read`: an
    answer would read it. `newer`: the document whose passage it gives way to, a newer version of its own."""

    chunk: Chunk
    dense: int | None
    lexical: int | None
    fused: int | None
    feedback: int | None
    reranked: int | None
    is_read: bool
    newer: Document | None = None

    @property
    def places(self) -> list[Place]:
        """One of each column, in order."""
        ranks: list[int | None] = [getattr(self, column) for column in COLUMNS]
        pairs = zip([None, *ranks], ranks, strict=False)
        moves = [before - rank if before and rank else None for before, rank in pairs]
        return [Place(*column, rank, moved) for column, rank, moved in zip(COLUMNS.items(), ranks, moves, strict=True)]


@dataclass(frozen=True, slots=True)
class Explanation:
    """`timings`: (stage, milliseconds), in the order of the work. `dropped`: hits that the second gate kept back, whose words are
    not shown. `narrowed_to`: how many passages passed the filters, None without any. `kept`: the corpora whose candidates
    stayed in the search's order."""

    words: str
    passages: tuple[Explained, ...]
    timings: tuple[tuple[str, float], ...]
    found: tuple[tuple[str, int], ...]
    dropped: int
    narrowed_to: int | None
    kept: tuple[str, ...] = ()


def explain_search(
    *, user: User, question: str, corpora: Sequence[Corpus] | None = None, filters: Filters | None = None
) -> Explanation:
    """Search as an answer does, and keep what every stage said. `corpora` narrows; an empty list finds nothing.

    Raises RetrievalError and FilterError."""
    from retrieval.search import search
    from specialists.reranker.choosing import CANDIDATES, PASSAGES_READ

    words, wanted = read_search(
        question, filters, readable_corpora(user) if corpora is None else corpora, readable_documents(user)
    )
    partitions = list(readable_partitions(user, corpora=corpora).distinct())
    only = passing(partitions, wanted)
    result = search(words, scope=[partition.key for partition in partitions], top_k=SHOWN, only=only)
    timings = dict(result.timings_ms)
    stages = (result.hits, result.fused, result.dense, result.lexical)
    ranks = [{hit.id: rank for rank, hit in enumerate(hits, start=1)} for hits in stages]
    ids = [
        pk
        for pk in dict.fromkeys(pk for ranked in ranks for pk in ranked)
        if any(ranked.get(pk, 99) <= SHOWN for ranked in ranks)
    ]
    started = time.perf_counter()
    readable = readable_chunks(user, ids)
    chunks = {chunk.pk: chunk for chunk in (readable if corpora is None else readable.filter(document__corpus__in=corpora))}
    timings["second gate"] = _since(started)
    head = [chunks[hit.id] for hit in result.hits[:CANDIDATES] if hit.id in chunks]
    older = superseded(words, head)
    started = time.perf_counter()
    left = {pk: chunk for pk, chunk in chunks.items() if pk not in older}
    order = in_order(words, replace(result, hits=result.hits[:CANDIDATES]), left)
    timings["rerank"] = _since(started)
    reranked = {pk: rank for rank, pk in enumerate(order, start=1)}
    passages = (
        Explained(chunks[pk], dense=ranks[2].get(pk), lexical=ranks[3].get(pk), fused=ranks[1].get(pk), feedback=ranks[0].get(pk),
                  reranked=reranked.get(pk),
                  is_read=reranked.get(pk, PASSAGES_READ + 1) <= PASSAGES_READ,
                  newer=older[pk].document if pk in older else None)
        for pk in sorted(chunks, key=lambda pk: (reranked.get(pk, 99), ids.index(pk)))
    )  # fmt: skip
    counts = (
        ("meaning", len(result.dense)),
        ("words", len(result.lexical)),
        ("fused", len(result.fused)),
        ("reranked", len(order)),
    )
    narrowed = None if only is None else len(only)
    kept = not_reranked({chunk.document.corpus_id for chunk in head})
    names = tuple(sorted({str(chunk.document.corpus) for chunk in head if chunk.document.corpus_id in kept}))
    return Explanation(words, tuple(passages), tuple(timings.items()), counts, len(ids) - len(chunks), narrowed, names)


def _since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 3)
