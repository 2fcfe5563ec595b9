"""FAISS's indexes for graphics processors with their copies in main memory: all of the product's code for them runs, and only
what FAISS does on a device is done by its index of the same kind for processors."""

from __future__ import annotations

from typing import Any, ClassVar

from benchmarks.retrieval_gpu import ProcessorCopies
from retrieval.indexes import faiss_gpu

CODED_FROM = 40  # rows; `few_rows_will_do` makes the product's own limits as small


class ShardedIndex(ProcessorCopies):
    """As on three graphics processors: rows are shared out and searched by FAISS itself."""

    @staticmethod
    def _choose_devices(wanted: int) -> tuple[int, ...]:
        return (0, 1, 2)


class HalfIndex(ShardedIndex):
    """The same in float16, with exact scores."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._options = {"devices": 0, "copy": "float16"}


class CodedIndex(ShardedIndex):
    """Product-quantised codes in an inverted file, with exact scores."""

    bits: ClassVar[int] = 8

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._options = {"devices": 0, "copy": "pq"}

    def _codes_on(self, device: int, lists: int) -> Any:
        import faiss

        flat, parts = faiss.IndexFlatIP(self.dimension), faiss_gpu.code_parts(self.dimension)
        codes = faiss.IndexIVFPQ(flat, self.dimension, lists, parts, self.bits, faiss.METRIC_INNER_PRODUCT)
        flat.this.disown()
        codes.own_fields = True
        return codes


class ShortCodedIndex(CodedIndex):
    """The same of a few rows: codes of eight bits take 256 rows to learn from, those of four bits 16. The tests ask for all of
    the nearest."""

    least_recall: ClassVar[float] = 1.0
    bits: ClassVar[int] = 4


STAND_INS = [ShardedIndex, HalfIndex, ShortCodedIndex]


def few_rows_will_do(monkeypatch: Any) -> None:
    """Share out and code what is small, as the devices do with what is large."""
    monkeypatch.setattr(faiss_gpu, "LEAST_SHARD", 1)
    monkeypatch.setattr(faiss_gpu, "LEAST_CODED", CODED_FROM)
