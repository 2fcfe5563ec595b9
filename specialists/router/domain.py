"""The domain of a question: which corpora it is about, and which specialist knows them. Corpora are opaque numbers here; only
those that the asker may read ever come in, so a domain can tell nobody of a corpus that is closed to them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from retrieval.passages import FloatMatrix

LEAST_SHARE = 0.6  # of the weight that a specialist's corpora must have
RANK_OFFSET = 60  # as in reciprocal rank fusion, so that the first hit does not decide alone
SHARPNESS = 20.0  # of a softmax over cosines, which lie close together


@dataclass(frozen=True, slots=True)
class CorpusShare:
    corpus: int
    share: float  # of 1, over the corpora that came in


@dataclass(frozen=True, slots=True)
class SpecialistScope:
    """A promoted specialist and the corpora it was trained on. It knows their words, so who uses it must be able to read all."""

    name: str
    corpora: frozenset[int]


def domain_from_hits(corpora_of_hits: Sequence[int], *, readable: Collection[int]) -> tuple[CorpusShare, ...]:
    """From a search: the corpus of each hit, best first. Shares by reciprocal rank, best first; others are left out."""
    weights: dict[int, float] = {}
    for rank, corpus in enumerate(corpora_of_hits, start=1):
        if corpus in readable:
            weights[corpus] = weights.get(corpus, 0.0) + 1.0 / (RANK_OFFSET + rank)
    return _shares(weights)


def domain_from_centroids(
    vector: FloatMatrix, centroids: Mapping[int, FloatMatrix], *, readable: Collection[int]
) -> tuple[CorpusShare, ...]:
    """Before a search: `vector` (dimension,) against each corpus's centroids, (n, dimension); the nearest centroid counts."""
    cosines = {
        corpus: float((rows @ vector / np.maximum(np.linalg.norm(rows, axis=1), 1e-6)).max())
        for corpus, rows in centroids.items()
        if corpus in readable and len(rows)
    }
    if not cosines:
        return ()
    best = max(cosines.values())
    return _shares({corpus: float(np.exp(SHARPNESS * (cosine - best))) for corpus, cosine in cosines.items()})


def specialist_for(
    domain: Sequence[CorpusShare], specialists: Sequence[SpecialistScope], *, readable: Collection[int]
) -> str | None:
    """The specialist that covers most of the domain, at least LEAST_SHARE, and whose corpora the asker may all read."""
    shares = {item.corpus: item.share for item in domain}
    covered = [
        (sum(shares.get(corpus, 0.0) for corpus in specialist.corpora), specialist.name)
        for specialist in specialists
        if specialist.corpora and specialist.corpora <= set(readable)
    ]
    share, name = max(covered, key=lambda item: (item[0], item[1]), default=(0.0, None))
    return name if share >= LEAST_SHARE else None


def centroids_of(vectors: FloatMatrix, *, count: int = 4, rounds: int = 8) -> FloatMatrix:
    """(at most `count`, dimension) centres of a corpus's passage vectors: spherical k-means from the vectors furthest apart."""
    if not len(vectors):
        return np.empty((0, vectors.shape[1] if vectors.ndim == 2 else 0), np.float32)
    centres = vectors[:1]
    while len(centres) < min(count, len(vectors)):
        nearest = (vectors @ centres.T).max(axis=1)
        centres = np.concatenate([centres, vectors[int(nearest.argmin())][None]])
    for _ in range(rounds):
        belongs = (vectors @ centres.T).argmax(axis=1)
        means = [vectors[belongs == number].mean(axis=0) for number in range(len(centres)) if (belongs == number).any()]
        centres = np.stack(means)
        centres = centres / np.maximum(np.linalg.norm(centres, axis=1, keepdims=True), 1e-6)
    return centres.astype(np.float32)


def _shares(weights: Mapping[int, float]) -> tuple[CorpusShare, ...]:
    whole = sum(weights.values())
    ordered = sorted(weights.items(), key=lambda item: (-item[1], item[0]))
    return tuple(CorpusShare(corpus, round(weight / whole, 4)) for corpus, weight in ordered)
