"""What the router's classifiers see: the query's embedding, and beside it a sketch of its words and letters.

An embedding knows what a question is about; words and letters know how it is put ("how do I", "list all", a product's code).
N-grams are hashed with signs into few columns (Weinberger et al. 2009), so a classifier stays small and knows no vocabulary."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.passages import FloatMatrix, without_surrogates

IDF_SLOTS = 1 << 15
MAX_CHARACTERS = 600  # of a text; an intent shows early, and a pasted document must not cost milliseconds
_WORD = re.compile(r"[a-z0-9']+|[?!]")
_MIX = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9))  # of splitmix64
_VIEWS = ("words", "letters")


@dataclass(frozen=True, slots=True)
class Grams:
    """The hashed n-grams of one text in one view: 64-bit hashes, and how often each occurs (dampened)."""

    hashes: NDArray[np.uint64]
    counts: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Sketch:
    """How n-grams become columns: `idf` (2, IDF_SLOTS) by view and hash, `columns` per view."""

    idf: FloatMatrix
    columns: int
    weight: float  # of a view's unit vector beside the unit embedding

    def transform(self, texts: Sequence[str]) -> FloatMatrix:
        """(texts, 2 * columns): a unit vector per view, times `weight`; zeros for a text without words."""
        rows = np.zeros((len(texts), len(_VIEWS), self.columns), np.float32)
        for row, text in zip(rows, texts, strict=True):
            for view, grams in enumerate(all_grams(text)):
                np.add.at(row[view], *self._place(view, grams))
        norms = np.linalg.norm(rows, axis=2, keepdims=True)
        return (rows * (self.weight / np.maximum(norms, 1e-6))).reshape(len(texts), len(_VIEWS) * self.columns)

    def _place(self, view: int, grams: Grams) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        values = grams.counts * self.idf[view, _slots(grams.hashes)]
        signs = np.where(grams.hashes >> np.uint64(63), np.float32(1), np.float32(-1))
        columns = ((grams.hashes >> np.uint64(20)) % np.uint64(self.columns)).astype(np.int64)
        return columns, values * signs


def fit_sketch(texts: Sequence[str], *, columns: int, weight: float) -> Sketch:
    """Inverse document frequencies from the training texts, smoothed; a slot never seen weighs most."""
    seen = np.zeros((len(_VIEWS), IDF_SLOTS), np.float32)
    for text in texts:
        for view, grams in enumerate(all_grams(text)):
            seen[view, np.unique(_slots(grams.hashes))] += 1
    idf = np.log((1 + len(texts)) / (1 + seen)) + 1
    return Sketch(idf.astype(np.float16).astype(np.float32), columns, weight)


def all_grams(text: str) -> tuple[Grams, Grams]:
    """Word 1- and 2-grams; character 3- to 5-grams within words. Digits are all alike: a form number is no intent."""
    normal = re.sub(r"\d", "0", without_surrogates(text[:MAX_CHARACTERS]).lower().replace("’", "'"))
    words = _WORD.findall(normal)
    pairs = [f"{first} {second}" for first, second in zip(["^", *words], [*words, "$"], strict=True)]
    letters = [
        padded[start : start + size]
        for padded in (f" {word} " for word in words)
        for size in (3, 4, 5)
        for start in range(len(padded) - size + 1)
    ]
    return _hashed([*words, *pairs], "w"), _hashed(letters, "c")


def _hashed(grams: list[str], view: str) -> Grams:
    raw = np.fromiter((zlib.crc32(f"{view}{gram}".encode()) for gram in grams), np.uint64, len(grams))
    unique, counts = np.unique(raw, return_counts=True)
    with np.errstate(over="ignore"):  # arithmetic modulo 2**64 is meant
        mixed = (unique + _MIX[0]) * _MIX[1]
        mixed = (mixed ^ (mixed >> np.uint64(29))) * _MIX[1]
    return Grams(mixed ^ (mixed >> np.uint64(32)), (1 + np.log(counts)).astype(np.float32))


def _slots(hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
    return (hashes % np.uint64(IDF_SLOTS)).astype(np.int64)
