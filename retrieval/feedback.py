"""The first passages of a search say what else is meant: the question's vector moves towards theirs, and the candidates are
compared with it once more."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from retrieval.fusion import fuse
from retrieval.indexes import VectorIndex
from retrieval.passages import FloatMatrix, Hit, IdArray, hits_of

FIRST = 3  # passages, weighted by 1 / rank; chosen with SHARE on one half of the sets' queries: docs/retrieval.md
SHARE = 0.4  # of theirs in the moved vector


def fuse_again(
    vector: FloatMatrix, fused: Sequence[Hit], lexical: Sequence[Hit], indexes: Sequence[VectorIndex], *, depth: int
) -> list[Hit]:
    """The candidates of `fused` (best first) in their second order: the `depth` nearest to the moved question are the dense side.

    `vector`: the question's, (1, dimension); `indexes`: where the candidates' vectors are. Nothing new is looked for, so it costs
    the reading of a few hundred vectors; without any of them the order stays.
    Source: Rocchio's feedback, as for dense vectors in Li, Mourad, Zhuang, Koopman and Zuccon, "Pseudo Relevance Feedback with
    Deep Language Models and Dense Retrievers", TOIS 2023; here the first are those of both sides together."""
    ids, vectors = _read(np.array([hit.id for hit in fused], np.int64), indexes)
    if not len(ids):
        return list(fused)
    weights = (1 / np.arange(1, FIRST + 1)).astype(np.float32)[: len(ids)]
    moved = (1 - SHARE) * vector[0] + SHARE * _unit(weights @ vectors[:FIRST])
    scores = vectors @ _unit(moved)
    nearest = np.lexsort((ids, -scores))[:depth]
    return fuse(hits_of(ids[nearest], scores[nearest]), lexical, depth=depth)


def _read(ids: IdArray, indexes: Sequence[VectorIndex]) -> tuple[IdArray, FloatMatrix]:
    """In the order of `ids`. A passage that moved may be in two partitions: it counts once."""
    parts = [index.read(ids) for index in indexes]
    if not parts:
        return np.empty(0, np.int64), np.empty((0, 0), np.float32)
    found, vectors = (np.concatenate(side) for side in zip(*parts, strict=True))
    ascending = np.argsort(ids)
    ranks = ascending[np.searchsorted(ids, found, sorter=ascending)]
    rows = np.unique(ranks, return_index=True)[1]  # of each rank the first
    return found[rows], vectors[rows]


def _unit(vector: FloatMatrix) -> FloatMatrix:
    unit: FloatMatrix = vector / max(float(np.linalg.norm(vector)), 1e-12)
    return unit
