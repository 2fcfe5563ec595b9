"""FAISS on the processor: exact while exact is quick, then inverted files with exact scores; memory-mapped, in segments.

A write appends a small segment and marks what it replaces as dead; nothing that is large is written again. Segments are merged
when they are small, at once, or when many rows are together, apart from writing (`merge`, then `adopt`)."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from retrieval.indexes import check_rows
from retrieval.indexes.segments import (
    Part,
    Rows,
    Segment,
    Written,
    chunks_of,
    is_same_on_disk,
    merged_order,
    open_segment,
    publish,
    write_segment,
)
from retrieval.passages import FloatMatrix, Hit, IdArray, best_first, hits_of

LAYOUT = 1
SMALL_ROWS = 4096  # segments up to here are written again with the next addition: 6 MB
WORN = 0.2  # share of dead rows from which on a segment is written anew
WRITING, MERGING = ".writing-", ".merging-"  # a writer and a merger may be at work at the same time


@dataclass(frozen=True, slots=True)
class Merged:
    """A segment that is to stand for those parts, as they were when it was made."""

    folder: Path
    parts: tuple[Part, ...]
    written: Written


class FaissCpuIndex:
    suffix: ClassVar[str] = "faiss"
    exact_rows: ClassVar[int] = 50_000  # exact search of so many takes about 10 ms of one core
    least_recall: ClassVar[float] = 0.995  # of the ten nearest to disturbed rows; real questions find about one point less

    def __init__(self, dimension: int, parts: Sequence[Part] = ()) -> None:
        self.dimension = dimension
        self._parts = tuple(parts)  # in the order of their writing; replaced as a whole, so that searches may run meanwhile

    @classmethod
    def create(cls, dimension: int) -> Self:
        return cls(dimension)

    def add(self, ids: IdArray, vectors: FloatMatrix) -> None:
        check_rows(ids, vectors, self.dimension)
        if not len(ids):
            return
        self.remove(ids)
        order = np.argsort(ids)
        fresh = Part(Segment(ids[order].astype(np.int64), np.ascontiguousarray(vectors[order], np.float32)), None)
        if self._parts and self._parts[-1].segment.written is None:
            self._parts = (*self._parts[:-1], _in_memory([self._parts[-1], fresh]))
        else:
            self._parts = (*self._parts, fresh)

    def remove(self, ids: IdArray) -> int:
        left, removed = [], 0
        for part in self._parts:
            rows = part.find(ids)[1]
            removed += len(rows)
            left.append(part.without(rows) if len(rows) else part)
        self._parts = tuple(part for part in left if len(part))
        return removed

    def search(self, vectors: FloatMatrix, top_k: int) -> list[list[Hit]]:
        """One thread per caller: FAISS divides a flat search by questions, of which there is one, yet wakes every core for
        it. Measured on a busy two-core host, 11,429 passages: 25 ms with two threads, 2 ms with one."""
        import faiss

        faiss.omp_set_num_threads(1)  # counts for the calling thread alone, hence at each search
        vectors = np.ascontiguousarray(vectors, np.float32)
        found: list[list[Hit]] = [[] for _ in range(len(vectors))]
        if top_k > 0:
            for part in self._parts:
                for at, more in enumerate(self._search_part(part, vectors, min(top_k, len(part)))):
                    found[at] += more
        return [sorted(hits, key=best_first)[:top_k] for hits in found]

    def search_among(self, vectors: FloatMatrix, ids: IdArray, top_k: int) -> list[Hit]:
        import faiss

        faiss.omp_set_num_threads(1)
        vectors = np.ascontiguousarray(vectors, np.float32)
        hits: list[Hit] = []
        for part in self._parts if top_k > 0 else ():
            rows = np.sort(part.find(ids)[1])
            if len(rows):
                found, scores = part.segment.nearest_among(vectors, rows, top_k)
                hits += hits_of(part.segment.ids[found], scores)
        return sorted(hits, key=best_first)[:top_k]

    def _search_part(self, part: Part, vectors: FloatMatrix, wanted: int) -> list[list[Hit]]:
        """The `wanted` nearest live rows of each question. Dead rows and short lists are met by asking for more, to the end."""
        depth, all_lists = wanted + min(part.dead_count, wanted), False
        while True:
            rows, scores = self._nearest(part.segment, vectors, min(depth, len(part.segment)), all_lists)
            is_live = rows >= 0 if part.dead is None else (rows >= 0) & ~part.dead[rows]
            if (is_live.sum(axis=1) >= wanted).all() or (all_lists and depth >= len(part.segment)):
                break
            depth, all_lists = 4 * depth, True
        ids = part.segment.ids
        return [hits_of(ids[rows[at][live]], scores[at][live])[:wanted] for at, live in enumerate(is_live)]

    def _nearest(self, segment: Segment, vectors: FloatMatrix, depth: int, all_lists: bool) -> Rows:
        return segment.nearest(vectors, depth, all_lists=all_lists)

    def __len__(self) -> int:
        return sum(len(part) for part in self._parts)

    def ids(self) -> IdArray:
        return np.concatenate([np.empty(0, np.int64), *(part.live_ids() for part in self._parts)])

    def read(self, ids: IdArray) -> tuple[IdArray, FloatMatrix]:
        out, found = np.empty((len(ids), self.dimension), np.float32), np.zeros(len(ids), np.bool_)
        for part in self._parts:
            places, rows = part.find(ids)
            if len(places):
                part.segment.check_unchanged()
                out[places], found[places] = part.segment.read_rows(rows), True
        return ids[found], out[found]

    # --- On disk ------------------------------------------------------------------------------------------------------

    def save(self, path: Path) -> None:
        """Write the new rows as a segment beside `path`, with the small ones before them, and `path` as the list of all."""
        kept, rows = list(self._parts), 0
        gathered: list[Part] = []
        while kept and (kept[-1].segment.written is None or (gathered and self._goes_along(kept[-1], rows))):
            gathered.append(kept.pop())
            rows += len(gathered[-1])
        if gathered:
            for leftover in path.parent.glob(f"{WRITING}*"):
                leftover.unlink()
            written = write_segment(
                path.parent, gathered[::-1], prefix=WRITING, exact_rows=1 << 62, least_recall=self.least_recall
            )
            kept.append(Part(publish(path.parent, written, prefix=WRITING), None))
        self._parts = tuple(kept)
        content = {"layout": LAYOUT, "dimension": self.dimension, "segments": [_described(part) for part in kept]}
        path.write_text(json.dumps(content), encoding="ascii")

    def _goes_along(self, part: Part, rows: int) -> bool:
        size = len(part.segment)
        return size <= SMALL_ROWS or (part.segment.inverted is None and size <= rows and size + rows < self.exact_rows)

    def files(self) -> set[str]:
        return {name for part in self._parts if part.segment.written for name in part.segment.written.sha256}

    def discard(self) -> None:
        pass

    @classmethod
    def load(cls, path: Path, previous: Self | None = None) -> Self:
        content = path.read_bytes()
        if content[:1] != b"{":
            return cls._load_flat(path)
        try:
            listed = json.loads(content)
            if listed["layout"] != LAYOUT:
                raise ValueError("the file is of another version")
            known = {_name(part): part.segment for part in previous._parts} if previous else {}
            parts = [_opened(path.parent, entry, known) for entry in listed["segments"]]
            return cls(int(listed["dimension"]), parts)
        except (KeyError, TypeError) as error:
            raise ValueError("the file lists no segments") from error

    @classmethod
    def _load_flat(cls, path: Path) -> Self:
        """A file of the time before segments: one flat index, which the next write turns into a segment."""
        import faiss

        try:
            index = faiss.read_index(str(path))
        except RuntimeError as error:
            raise ValueError("FAISS cannot read the file") from error
        if not isinstance(index, faiss.IndexIDMap2):
            raise ValueError("the file holds another kind of index")
        loaded = cls(int(index.d))
        ids = faiss.vector_to_array(index.id_map).astype(np.int64)
        if len(ids):
            loaded.add(ids, faiss.downcast_index(index.index).reconstruct_n(0, len(ids)))
        return loaded

    # --- Merging, apart from writing ------------------------------------------------------------------------------------

    def merge(self, folder: Path) -> Merged | None:
        """Make one segment of several, if that is worth it; the slow part, for which no lock is needed. None if it is not."""
        parts = self._worth_merging()
        if not parts:
            return None
        for leftover in folder.glob(f"{MERGING}*"):
            leftover.unlink()
        written = write_segment(folder, parts, prefix=MERGING, exact_rows=self.exact_rows, least_recall=self.least_recall)
        return Merged(folder, tuple(parts), written)

    def _worth_merging(self) -> list[Part]:
        """Exact parts that are many rows together, with the inverted ones that are not larger; else the most worn one."""
        flat = [part for part in self._parts if part.segment.written and part.segment.inverted is None]
        rows = sum(len(part) for part in flat)
        if rows >= self.exact_rows:
            for part in sorted((part for part in self._parts if part.segment.inverted), key=len):
                if len(part) > rows:
                    break
                flat.append(part)
                rows += len(part)
            return flat
        worn = [part for part in self._parts if part.segment.written and part.dead_count > WORN * len(part.segment)]
        return [max(worn, key=lambda part: part.dead_count)] if worn else []

    def adopt(self, merged: Merged) -> bool:
        """Put a merged segment in the place of its parts; what died meanwhile is dead in it too. False if a part is gone."""
        here = {_name(part): part for part in self._parts}
        names = [_name(part) for part in merged.parts]
        if not all(name in here for name in names):
            return False
        part = Part(publish(merged.folder, merged.written, prefix=MERGING), None)
        left = np.concatenate([here[name].live_ids() for name in names])
        died = np.setdiff1d(part.segment.ids, left)
        if len(died):
            part = part.without(part.find(died)[1])
        self._parts = (part, *(other for other in self._parts if _name(other) not in names))
        return True


def _in_memory(parts: Sequence[Part]) -> Part:
    ids, sources, rows = merged_order(parts)
    return Part(Segment(ids, np.concatenate(list(chunks_of(parts, sources, rows)))), None)


def _name(part: Part) -> str:
    return part.segment.written.name if part.segment.written else ""


def _described(part: Part) -> dict[str, Any]:
    """A segment's entry in the list of segments. Dead rows are packed as bits."""
    assert part.segment.written is not None
    dead = "" if part.dead is None else base64.b64encode(np.packbits(part.dead).tobytes()).decode()
    return {**asdict(part.segment.written), "dead": dead}


def _opened(folder: Path, entry: dict[str, Any], known: dict[str, Segment]) -> Part:
    dead = entry.pop("dead")
    written = Written(**entry)
    segment = known.get(written.name)
    if segment is None or segment.written != written or not is_same_on_disk(folder, segment):
        segment = open_segment(folder, written)
    if not dead:
        return Part(segment, None)
    bits = np.frombuffer(base64.b64decode(dead), np.uint8)
    return Part(segment, np.unpackbits(bits, count=len(segment)).astype(np.bool_))
