"""The one search: dense and BM25 over the partitions of a scope, fused by their scores, twice: the second time with feedback."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain

import numpy as np

from retrieval.builds import Build, embedder_of, serving_build
from retrieval.embedders import get_embedder
from retrieval.feedback import fuse_again
from retrieval.fusion import fuse
from retrieval.partitions import LEXICAL, DenseSnapshot, index_corrupt, open_dense, partition_folder
from retrieval.passages import FloatMatrix, Hit, best_first
from retrieval.words import Words, open_words, search_words

LEAST_CANDIDATES = 100
CACHED_QUESTIONS = 1024  # 1.5 kB each
FEW = 0.05  # share of the passages that passes a filter, up to which the index searches among them


@dataclass(frozen=True, slots=True)
class SearchResult:
    """`hits`: the list that counts, at most top_k. `dense` and `lexical`: the candidates of each side, with their own scores
    (cosine, BM25); `fused`: both as one list, before feedback. `timings_ms`: embed, dense, lexical, fuse, feedback; empty when
    nothing was searched."""

    hits: tuple[Hit, ...] = ()
    dense: tuple[Hit, ...] = ()
    lexical: tuple[Hit, ...] = ()
    fused: tuple[Hit, ...] = ()
    timings_ms: dict[str, float] = field(default_factory=dict)


def search(
    question: str, *, scope: Sequence[str], top_k: int = 12, only: Collection[int] | None = None,
    build: Build | None = None,
) -> SearchResult:  # fmt: skip
    """Search the partitions whose keys are in `scope`, and no others; an empty scope finds nothing and embeds nothing.

    A key without an index counts as an empty partition. Any text is a valid question. `only` narrows to these passages: both
    sides look until they have found as many of them as without it, or all. `build`: another than the one that serves.
    Raises RetrievalError `index_corrupt` or `index_other_embedder` when a partition of the scope cannot be trusted, and the
    embedder's errors; it never answers from a part of the scope."""
    if top_k < 1:
        raise ValueError("top_k must be at least 1")
    keys = list(dict.fromkeys(scope))
    only = None if only is None else frozenset(only)
    if not keys or not question.strip() or (only is not None and not only):
        return SearchResult()
    build = build or serving_build()  # asked once: the question's vector and all partitions' are of the same embedder
    dense_snapshots, lexical_snapshots = _open(keys, build)
    if not dense_snapshots and not lexical_snapshots:
        return SearchResult()
    timings: dict[str, float] = {}
    candidates = max(LEAST_CANDIDATES, 4 * top_k)
    with _timed(timings, "embed"):
        embedder = embedder_of(build)
        for snapshot in dense_snapshots:
            snapshot.check_embedder(embedder.name)
        vector = _embed_question(embedder.name, build, question)
    with _timed(timings, "dense"):
        dense = _merge((_search_dense(vector, snapshot, candidates, only) for snapshot in dense_snapshots), candidates)
    with _timed(timings, "lexical"):
        lexical = _merge(search_words(question, lexical_snapshots, candidates, only), candidates)
    with _timed(timings, "fuse"):
        fused = fuse(dense, lexical, depth=candidates)
    with _timed(timings, "feedback"):
        indexes = [snapshot.index for snapshot in dense_snapshots]
        hits = fuse_again(vector, fused, lexical, indexes, depth=candidates)
    return SearchResult(tuple(hits[:top_k]), dense, lexical, tuple(fused), timings)


def question_vector(question: str) -> FloatMatrix:
    """The question's (1, dimension) vector by the settings' embedder; while that one serves, the search of the same question
    takes it from the same cache."""
    return _embed_question(get_embedder().name, Build(), question)


def _open(keys: Sequence[str], build: Build) -> tuple[list[DenseSnapshot], list[Words]]:
    dense_snapshots, lexical_snapshots = [], []
    for key in keys:
        dense, lexical = open_dense(key, build), open_words(partition_folder(key) / LEXICAL)
        if dense is not None and lexical is None:  # BM25 is committed first: it is lost, or all was dropped just now
            dense = open_dense(key, build)
            if dense is not None:
                raise index_corrupt()
        if dense is not None:
            dense_snapshots.append(dense)
        if lexical is not None:
            lexical_snapshots.append(lexical)
    return dense_snapshots, lexical_snapshots


@lru_cache(maxsize=CACHED_QUESTIONS)
def _embed_question(_embedder_name: str, build: Build, question: str) -> FloatMatrix:
    vector = embedder_of(build).embed_queries([question])
    vector.flags.writeable = False  # it is shared from now on
    return vector


def _search_dense(vector: FloatMatrix, snapshot: DenseSnapshot, candidates: int, only: Collection[int] | None) -> list[Hit]:
    """Where few passages pass, the index searches among them. Where many do, it looks deeper, until it has enough or goes no
    deeper."""
    index = snapshot.index
    if only is None:
        return index.search(vector, candidates)[0]
    size = len(index)
    depth = min(size, 2 * candidates * max(1, size // len(only)))
    while len(only) > FEW * size:
        found = index.search(vector, depth)[0]
        kept = [hit for hit in found if hit.id in only][:candidates]
        if len(kept) == candidates or depth >= size == len(found):
            return kept
        if len(found) < depth:
            break
        depth = min(size, 4 * depth)
    return index.search_among(vector, np.array(sorted(only), np.int64), candidates)


def _merge(lists: Iterable[Sequence[Hit]], candidates: int) -> tuple[Hit, ...]:
    """The best of several lists of one kind of score. A passage that moved may be in two partitions: it counts once."""
    best: dict[int, Hit] = {}
    for hit in sorted(chain.from_iterable(lists), key=best_first):
        best.setdefault(hit.id, hit)
    return tuple(best.values())[:candidates]


@contextmanager
def _timed(timings: dict[str, float], stage: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    timings[stage] = round((time.perf_counter() - started) * 1000, 3)
