"""Search in FAISS on graphics processors. The index in main memory is the truth; the devices hold a copy of it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Self, cast
from weakref import WeakKeyDictionary

import numpy as np
from django.conf import settings

from retrieval.errors import RetrievalError
from retrieval.indexes.faiss_cpu import FaissCpuIndex
from retrieval.indexes.inverted import Inverted, lists_for
from retrieval.indexes.segments import Part, Rows, Segment
from retrieval.passages import FloatMatrix

LARGEST_TOP_K = 2048  # of FAISS on a device; a deeper search runs on the processor
LEAST_SHARD = 100_000  # rows; of fewer, a second device costs more than it saves
WHOLE, CODES = "float32", "pq"  # of what settings.FAISS_GPU["copy"] may be; the third, float16, differs in the precision alone
LEAST_CODED = 100_000  # rows; of fewer, codes save nothing that is worth their training
CODE_CANDIDATES = 8  # times what is asked for: room for what 48 bytes misplace
MOST_PROBES = 2048  # lists that FAISS reads at most on a device
CODE_PARTS = (48, 32, 24, 16, 12, 8, 4, 2, 1)  # bytes of a row's code, of those that FAISS has on a device
MORE = 8  # rows that a search in half the precision asks for besides: those beside the last may change their order


class FaissGpuIndex(FaissCpuIndex):
    """Writes as FaissCpuIndex does. The devices hold a flat copy of each segment, made when it is first searched and shared out
    by rows where there are several; a segment never changes, so a write costs the devices the new segment alone. No index on a
    device can remove, and without cuVS it ignores selectors: what is dead is found and dropped, and more is asked for.

    What a copy is, settings.FAISS_GPU says: the rows themselves, or in float16 in half of the memory, or, of large segments,
    codes of 48 bytes a row in an inverted file, trained on the device (IVF-PQ). The latter two find candidates; the rows in main
    memory score them."""

    suffix: ClassVar[str] = "faiss"

    def __init__(self, dimension: int, parts: Sequence[Part] = ()) -> None:
        super().__init__(dimension, parts)
        self._options = cast("dict[str, Any]", settings.FAISS_GPU)
        self._devices = self._choose_devices(int(self._options["devices"]))
        self._copies: WeakKeyDictionary[Segment, Any] = WeakKeyDictionary()
        self._device = threading.Lock()  # the devices' working memory is for one search at a time

    @classmethod
    def load(cls, path: Path, previous: Self | None = None) -> Self:
        loaded = super().load(path, previous)
        if previous is not None:
            loaded._copies, loaded._device = previous._copies, previous._device
        return loaded

    def _nearest(self, segment: Segment, vectors: FloatMatrix, depth: int, all_lists: bool) -> Rows:
        is_exact = self._options["copy"] == WHOLE
        more = CODE_CANDIDATES * depth if self._is_coded(segment) else depth + max(MORE, depth // 4)
        asked = min(depth if is_exact else more, len(segment))
        if asked > LARGEST_TOP_K or (all_lists and self._is_coded(segment)):
            return super()._nearest(segment, vectors, depth, all_lists)
        segment.check_unchanged()
        with self._device:
            copy = self._copies.get(segment)
            if copy is None:
                copy = self._copies[segment] = self._copy_of(segment)
            if isinstance(copy, Inverted):
                return copy.nearest(vectors, min(depth, len(segment)), segment.read_rows)
            scores, rows = copy.search(vectors, asked)
        return (rows, scores) if is_exact else _scored_exactly(segment, vectors, rows, depth)

    def _is_coded(self, segment: Segment) -> bool:
        return self._options["copy"] == CODES and len(segment) >= LEAST_CODED

    def _copy_of(self, segment: Segment) -> Any:
        """Codes on one device, the segments by turns; or one flat index, or one on each device over as many rows each, whose row
        numbers are those of the segment."""
        import faiss

        if self._is_coded(segment):
            device = self._devices[len(self._copies) % len(self._devices)]
            codes = self._codes_on(device, lists_for(len(segment)))
            return Inverted.fill(
                codes, segment.vectors, least_recall=self.least_recall, most_probes=MOST_PROBES, candidates=CODE_CANDIDATES
            )
        is_half = self._options["copy"] != WHOLE
        rows = np.ascontiguousarray(segment.vectors)
        devices = self._devices[: max(1, len(rows) // LEAST_SHARD)]
        flats = [self._flat_on(device, is_half) for device in devices]
        for flat, part in zip(flats, np.array_split(rows, len(flats)), strict=True):
            flat.add(np.ascontiguousarray(part))
        if len(flats) == 1:
            return flats[0]
        shards: Any = faiss.IndexShards(self.dimension, True, True)  # type: ignore[call-arg]  # in threads, and numbered on from shard to shard
        for flat in flats:
            shards.add_shard(flat)
        return shards

    def _flat_on(self, device: int, is_half: bool) -> Any:
        import faiss

        config = faiss.GpuIndexFlatConfig()
        config.device, config.useFloat16 = device, is_half
        return faiss.GpuIndexFlatIP(_resources(device), self.dimension, config)

    def _codes_on(self, device: int, lists: int) -> Any:
        """An empty inverted file with a product quantiser."""
        import faiss

        config = faiss.GpuIndexIVFPQConfig()
        config.device, config.useFloat16LookupTables = device, True  # 48 tables of float32 do not fit a multiprocessor's memory
        parts = code_parts(self.dimension)
        return faiss.GpuIndexIVFPQ(_resources(device), self.dimension, lists, parts, 8, faiss.METRIC_INNER_PRODUCT, config)

    @staticmethod
    def _choose_devices(wanted: int) -> tuple[int, ...]:
        """The numbers of so many devices; 0 for all. Raises RetrievalError `gpu_missing`."""
        import faiss

        there = faiss.get_num_gpus() if hasattr(faiss, "StandardGpuResources") else 0
        if not there:
            message = "This host has no graphics processor that FAISS can use. Set VECTOR_INDEX_BACKEND to FaissCpuIndex."
            raise RetrievalError("gpu_missing", message, permanent=True)
        if wanted > there:
            message = f"FAISS_GPU_DEVICES is {wanted}, and FAISS sees {there}. Set it to 0 for all that there are."
            raise RetrievalError("gpu_missing", message, permanent=True)
        return tuple(range(wanted or there))


def code_parts(dimension: int) -> int:
    """Bytes of a row's code: each stands for as many of its numbers as the others."""
    return next(parts for parts in CODE_PARTS if dimension % parts == 0)


def _scored_exactly(segment: Segment, vectors: FloatMatrix, rows: Any, depth: int) -> Rows:
    """The `depth` best of these rows by their own numbers."""
    found = segment.read_rows(rows.ravel()).reshape(*rows.shape, -1)
    scores = np.einsum("qd,qrd->qr", vectors, found)
    scores[rows < 0] = -np.inf
    order = np.argsort(-scores, axis=1, kind="stable")[:, :depth]
    return np.take_along_axis(rows, order, axis=1), np.take_along_axis(scores, order, axis=1)


@cache
def _resources(device: int) -> Any:
    """A device's working memory, shared by all indexes of the process."""
    import faiss

    return faiss.StandardGpuResources()
