"""FAISS's inverted file with codes over many rows: it names candidates, whose exact scores come from the rows.

An inverted file and not HNSW: it is built in a fraction of the time, merged by building again, and mapped from disk; and the
share of it that is read is a number to be turned until the recall is right."""

from __future__ import annotations

import errno
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self, cast

import numpy as np

from retrieval.passages import FloatMatrix, IdArray

LISTS_PER_ROOT = 4  # lists = 4 · √rows
TRAINED_PER_LIST = 48
ROUNDS = 10
ADDED_AT_ONCE = 32_768
CANDIDATES = 2  # times what is asked for: room for what eight bits misplace
QUESTIONS = 400  # with 100, chance alone doubled or halved what was read
STEP = 1.4
MARGIN = 1.5  # real questions lie farther: where disturbed rows found 0.993, they found 0.96 to 0.975 (docs/scaling.md)
DISTURBANCE = 0.8  # a question made of a row has a cosine of 0.78 to it, as good questions have to their passages


def lists_for(rows: int) -> int:
    return min(max(1, int(LISTS_PER_ROOT * rows**0.5)), max(1, rows // 8))


class Inverted:
    """A mapped index file, or codes on a device. `probes`: lists read per question, with a margin over the fewest that gave the
    measured `recall` of the ten nearest. `candidates`: times what is asked for, how many are scored exactly."""

    def __init__(self, index: Any, *, probes: int, recall: float, candidates: int = CANDIDATES) -> None:
        self._index = index
        self.probes = probes
        self.recall = recall
        self.candidates = candidates

    @classmethod
    def load(cls, path: Path, *, probes: int, recall: float) -> Self:
        import faiss

        try:
            index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
        except RuntimeError as error:
            raise ValueError("FAISS cannot read the file") from error
        if not isinstance(index, faiss.IndexIVFScalarQuantizer):
            raise ValueError("the file holds another kind of index")
        return cls(index, probes=probes, recall=recall)

    @classmethod
    def build(cls, vectors: FloatMatrix, path: Path, *, least_recall: float) -> Self:
        """Train, fill and measure an index of these rows, and write it. OSError when it cannot be written."""
        import faiss

        dimension = vectors.shape[1]
        index = faiss.IndexIVFScalarQuantizer(
            faiss.IndexFlatIP(dimension), dimension, lists_for(len(vectors)), faiss.ScalarQuantizer.QT_8bit,
            faiss.METRIC_INNER_PRODUCT, False,
        )  # fmt: skip
        built = cls.fill(index, vectors, least_recall=least_recall, most_probes=index.nlist)
        try:
            faiss.write_index(index, str(path))
        except RuntimeError as error:
            raise OSError(errno.ENOSPC, f"FAISS could not write {path.name}") from error  # it says no more than that
        return built

    @classmethod
    def fill(
        cls, index: Any, vectors: FloatMatrix, *, least_recall: float, most_probes: int, candidates: int = CANDIDATES
    ) -> Self:  # fmt: skip
        """Train an empty inverted file of FAISS's with these rows, add them, and choose how many of its lists are read."""
        import faiss

        faiss.omp_set_num_threads(len(os.sched_getaffinity(0)))
        rng = np.random.default_rng(1)
        count, lists = len(vectors), int(index.nlist)
        index.cp.niter, index.cp.min_points_per_centroid, index.cp.max_points_per_centroid = ROUNDS, 1, TRAINED_PER_LIST
        index.train(vectors[np.sort(rng.choice(count, min(count, TRAINED_PER_LIST * lists), replace=False))])
        for start in range(0, count, ADDED_AT_ONCE):
            index.add(np.ascontiguousarray(vectors[start : start + ADDED_AT_ONCE]))
        built = cls(index, probes=min(lists, most_probes), recall=1.0, candidates=candidates)
        built._choose_probes(vectors, rng, least_recall)
        return built

    def _choose_probes(self, vectors: FloatMatrix, rng: Any, least_recall: float) -> None:
        """Ask disturbed rows, and read the fewest lists, in steps, that find enough of the ten nearest."""
        import faiss

        taken = np.ascontiguousarray(vectors[np.sort(rng.choice(len(vectors), min(QUESTIONS, len(vectors)), replace=False))])
        noise = rng.normal(size=taken.shape).astype(np.float32)
        questions = taken + DISTURBANCE * noise / np.linalg.norm(noise, axis=1, keepdims=True)
        questions /= np.linalg.norm(questions, axis=1, keepdims=True)
        wanted = min(10, len(vectors))
        truth = faiss.knn(questions, vectors, wanted, metric=faiss.METRIC_INNER_PRODUCT)[1]
        most, self.probes = self.probes, 4
        while self.probes < most:
            self.recall = self._recall_of(questions, truth, vectors)
            if self.recall >= least_recall:
                self.probes = min(most, math.ceil(MARGIN * self.probes))
                return
            self.probes = math.ceil(STEP * self.probes)
        self.probes = most
        self.recall = self._recall_of(questions, truth, vectors)

    def _recall_of(self, questions: FloatMatrix, truth: IdArray, vectors: FloatMatrix) -> float:
        found = self.nearest(questions, truth.shape[1], lambda rows: vectors[rows])[0]
        hits = sum(len(set(a) & set(b)) for a, b in zip(found.tolist(), truth.tolist(), strict=True))
        return hits / truth.size

    def candidates_among(self, vectors: FloatMatrix, rows: IdArray, k: int) -> IdArray:
        """Of these rows the candidates for the k best, ascending; every list is read, and no other row is scored."""
        import faiss

        parameters: Any = faiss.SearchParametersIVF()
        chosen = np.zeros(self._index.ntotal, np.bool_)
        chosen[rows] = True
        selector = cast("Any", faiss).IDSelectorBitmap(np.packbits(chosen, bitorder="little"))  # as its wrapper takes it
        parameters.sel, parameters.nprobe = selector, self._index.nlist
        _, found = self._index.search(vectors, min(len(rows), self.candidates * k), params=parameters)
        candidates: IdArray = np.sort(found[0][found[0] >= 0])
        return candidates

    def nearest(
        self, vectors: FloatMatrix, k: int, read_rows: Callable[[IdArray], FloatMatrix], *, all_lists: bool = False
    ) -> tuple[IdArray, FloatMatrix]:
        """The k best rows of each question by exact score, (questions, k) rows and scores; -1 where the lists held no more."""
        import faiss

        probes = self._index.nlist if all_lists else self.probes
        candidates = min(int(self._index.ntotal), self.candidates * k)
        parameters: Any = faiss.SearchParametersIVF()
        parameters.nprobe = probes  # belongs to the search and not to the index, which others are searching
        _, found = self._index.search(vectors, candidates, params=parameters)
        rows = np.full((len(vectors), k), -1, np.int64)
        scores = np.full((len(vectors), k), -np.inf, np.float32)
        for number, vector in enumerate(vectors):
            row = np.sort(found[number][found[number] >= 0])
            exact = read_rows(row) @ vector
            best = np.argsort(-exact, kind="stable")[:k]
            rows[number, : len(best)], scores[number, : len(best)] = row[best], exact[best]
        return rows, scores
