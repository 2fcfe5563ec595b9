"""Frozen sets of vectors on disk: the rows, which are the truth, and beside many rows an inverted file that finds candidates."""

from __future__ import annotations

import os
import uuid
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import numpy as np

from retrieval.errors import RetrievalError
from retrieval.files import fsync_path, sha256_of
from retrieval.indexes.inverted import Inverted
from retrieval.passages import FloatMatrix, IdArray

MAPPED_BYTES = 8 << 20  # larger files are mapped, smaller ones read: a mapping costs a descriptor
CHUNK = 16_384  # rows copied at once
ROWS, LISTS = ".npy", ".ivf"

Rows = tuple[IdArray, FloatMatrix]  # per question: row numbers (questions, k), -1 where there is none, and their scores


@dataclass(frozen=True, slots=True)
class Signature:
    """What tells a file from one that was put in its place or changed in place."""

    inode: int
    size: int
    changed_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> Self:
        return cls(status.st_ino, status.st_size, status.st_mtime_ns)


@dataclass(frozen=True, slots=True)
class Written:
    """A segment's files, complete under a temporary prefix. `probes` and `recall` are its inverted file's, 0 and 1 without."""

    name: str
    sha256: dict[str, str]
    probes: int
    recall: float


class Segment:
    """Vectors with ascending ids that never change. `written` is None for one in memory alone, not saved yet."""

    def __init__(
        self,
        ids: IdArray,
        vectors: FloatMatrix,
        *,
        written: Written | None = None,
        inverted: Inverted | None = None,
        signatures: Mapping[str, Signature] = MappingProxyType({}),
        held: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        self.ids = ids
        self.vectors = vectors
        self.written = written
        self.inverted = inverted
        self.signatures = signatures
        self._held = held  # descriptors of the mapped files: what is mapped can be changed beneath
        for descriptor in held.values():
            weakref.finalize(self, os.close, descriptor)

    def __len__(self) -> int:
        return len(self.ids)

    def check_unchanged(self) -> None:
        """A mapped file that was written over is not read: it could answer wrongly, or end the process."""
        for name, descriptor in self._held.items():
            if Signature.of(os.fstat(descriptor)) != self.signatures[name]:
                message = "A search index was changed while it was in use, so nothing was read from it."
                raise RetrievalError("index_corrupt", message, permanent=True)

    def nearest(self, vectors: FloatMatrix, k: int, *, all_lists: bool = False) -> Rows:
        """The k best rows of each question with their exact scores; with an inverted file, the best of what it finds."""
        import faiss

        self.check_unchanged()
        if self.inverted is None:
            scores, rows = faiss.knn(vectors, self.vectors, min(k, len(self)), metric=faiss.METRIC_INNER_PRODUCT)
            return rows, scores
        return self.inverted.nearest(vectors, min(k, len(self)), self.read_rows, all_lists=all_lists)

    def nearest_among(self, vectors: FloatMatrix, rows: IdArray, k: int) -> Rows:
        """The k best of these ascending rows for the one row of `vectors`, (n,) and (n,); all lists of an inverted file are
        read, and of them these rows alone."""
        self.check_unchanged()
        if self.inverted is not None and len(rows) > self.inverted.candidates * k:
            rows = self.inverted.candidates_among(vectors, rows, k)
        scores = self.read_rows(rows) @ vectors[0]
        best = np.argsort(-scores, kind="stable")[:k]
        return rows[best], scores[best]

    def read_rows(self, rows: IdArray) -> FloatMatrix:
        """These rows' vectors. Read and not mapped where there are many: else each question leaves pages behind in memory."""
        descriptor = self._held.get(self.written.name + ROWS) if self.written else None
        if descriptor is None:
            taken: FloatMatrix = self.vectors[rows]
            return taken
        out = np.empty((len(rows), self.vectors.shape[1]), np.float32)
        start, width = self.vectors.offset, out.strides[0]  # type: ignore[attr-defined]
        for place, row in enumerate(rows.tolist()):
            os.preadv(descriptor, [out[place]], start + row * width)
        return out


@dataclass(frozen=True, slots=True)
class Part:
    """A segment and which of its rows are dead: removed, or replaced in a later segment."""

    segment: Segment
    dead: Any  # (rows,) bool, or None for none

    @property
    def dead_count(self) -> int:
        return 0 if self.dead is None else int(self.dead.sum())

    def __len__(self) -> int:
        return len(self.segment) - self.dead_count

    def live_rows(self) -> IdArray:
        return np.arange(len(self.segment)) if self.dead is None else np.flatnonzero(~self.dead)

    def live_ids(self) -> IdArray:
        return np.asarray(self.segment.ids if self.dead is None else self.segment.ids[~self.dead])

    def find(self, ids: IdArray) -> tuple[IdArray, IdArray]:
        """Of those of the ids that are here and live, their places among `ids`, and their rows."""
        if not len(self.segment) or not len(ids):
            return np.empty(0, np.int64), np.empty(0, np.int64)
        rows = np.searchsorted(self.segment.ids, ids)
        rows[rows == len(self.segment)] = 0
        is_here = self.segment.ids[rows] == ids
        if self.dead is not None:
            is_here &= ~self.dead[rows]
        return np.flatnonzero(is_here), rows[is_here]

    def without(self, rows: IdArray) -> Part:
        dead = np.zeros(len(self.segment), np.bool_) if self.dead is None else self.dead.copy()
        dead[rows] = True
        return Part(self.segment, dead)


def merged_order(parts: Sequence[Part]) -> tuple[IdArray, IdArray, IdArray]:
    """All live rows by ascending id: ids, the number of the part, the row in it."""
    ids = np.concatenate([part.live_ids() for part in parts])
    sources = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    rows = np.concatenate([part.live_rows() for part in parts])
    order = np.argsort(ids, kind="stable")
    return ids[order], sources[order], rows[order]


def chunks_of(parts: Sequence[Part], sources: IdArray, rows: IdArray) -> Iterator[FloatMatrix]:
    dimension = parts[0].segment.vectors.shape[1]
    for start in range(0, len(rows), CHUNK):
        source, row = sources[start : start + CHUNK], rows[start : start + CHUNK]
        out = np.empty((len(row), dimension), np.float32)
        for number in np.unique(source):
            out[source == number] = parts[number].segment.vectors[row[source == number]]
        yield out


def write_segment(folder: Path, parts: Sequence[Part], *, prefix: str, exact_rows: int, least_recall: float) -> Written:
    """Write the live rows of these parts as one segment, under names that begin with `prefix`; publish() makes them final.

    From `exact_rows` rows on, an inverted file is built beside them whose measured recall is at least `least_recall`."""
    ids, sources, rows = merged_order(parts)
    name = f"segment-{uuid.uuid4().hex[:16]}"
    dimension = parts[0].segment.vectors.shape[1]
    path = folder / f"{prefix}{name}{ROWS}"
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, _header((len(ids),), np.dtype(np.int64)))
        ids.astype("<i8").tofile(file)
        np.lib.format.write_array_header_1_0(file, _header((len(ids), dimension), np.dtype(np.float32)))
        for chunk in chunks_of(parts, sources, rows):
            file.write(chunk.data)
    fsync_path(path)
    digests = {name + ROWS: sha256_of(path)}
    probes, recall = 0, 1.0
    if len(ids) >= exact_rows:
        lists = folder / f"{prefix}{name}{LISTS}"
        inverted = Inverted.build(read_rows_file(path)[1], lists, least_recall=least_recall)
        probes, recall = inverted.probes, inverted.recall
        fsync_path(lists)
        digests[name + LISTS] = sha256_of(lists)
    return Written(name, digests, probes, recall)


def publish(folder: Path, written: Written, *, prefix: str) -> Segment:
    """Give the files their final names and open them."""
    for name in written.sha256:
        (folder / f"{prefix}{name}").replace(folder / name)
    fsync_path(folder)
    return open_segment(folder, written, is_known=True)


def open_segment(folder: Path, written: Written, *, is_known: bool = False) -> Segment:
    """Open the files, compared with their checksums unless they were written just now. ValueError when they differ."""
    signatures = {}
    for file_name, digest in written.sha256.items():
        path = folder / file_name
        if not is_known and sha256_of(path) != digest:
            raise ValueError(f"{file_name} does not match its checksum")
        signatures[file_name] = Signature.of(path.stat())
    ids, vectors = read_rows_file(folder / (written.name + ROWS))
    inverted = None
    if written.name + LISTS in written.sha256:
        inverted = Inverted.load(folder / (written.name + LISTS), probes=written.probes, recall=written.recall)
    mapped = [name for name, signature in signatures.items() if signature.size > MAPPED_BYTES or name.endswith(LISTS)]
    held = {name: os.open(folder / name, os.O_RDONLY) for name in mapped}
    return Segment(ids, vectors, written=written, inverted=inverted, signatures=signatures, held=held)


def is_same_on_disk(folder: Path, segment: Segment) -> bool:
    return all(Signature.of((folder / name).stat()) == signature for name, signature in segment.signatures.items())


def read_rows_file(path: Path) -> tuple[IdArray, FloatMatrix]:
    """Ids and vectors of a rows file, mapped when it is large. ValueError when it is none."""
    with path.open("rb") as file:
        try:
            ids_at, ids_shape = _read_header(file, np.dtype(np.int64), 1)
            file.seek(ids_at + ids_shape[0] * 8)
            at, shape = _read_header(file, np.dtype(np.float32), 2)
        except (EOFError, TypeError, KeyError) as error:
            raise ValueError("the file ends early") from error
        if shape[0] != ids_shape[0] or path.stat().st_size != at + shape[0] * shape[1] * 4:
            raise ValueError("the file holds no vectors")
        if path.stat().st_size > MAPPED_BYTES:
            ids: IdArray = np.memmap(path, np.int64, "r", ids_at, ids_shape)
            return ids, np.memmap(path, np.float32, "r", at, shape)
        file.seek(ids_at)
        ids = np.fromfile(file, np.int64, ids_shape[0])
        file.seek(at)
        return ids, np.fromfile(file, np.float32, shape[0] * shape[1]).reshape(shape)


def _header(shape: tuple[int, ...], dtype: Any) -> dict[str, Any]:
    return {"shape": shape, "fortran_order": False, "descr": np.lib.format.dtype_to_descr(dtype)}


def _read_header(file: Any, dtype: Any, axes: int) -> tuple[int, tuple[int, ...]]:
    np.lib.format.read_magic(file)
    shape, is_fortran, found = np.lib.format.read_array_header_1_0(file)
    if found != dtype or is_fortran or len(shape) != axes:
        raise ValueError("the file holds no vectors")
    return file.tell(), shape
