"""Embeds drafts in a thread of its own, so that the next files are read and cut meanwhile, and then makes them live."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from itertools import accumulate, pairwise

import numpy as np

from ingestion.known_vectors import known_vectors
from ingestion.pipeline import Draft, make_live, put_back, report_progress
from retrieval.passages import FloatMatrix, IdArray, Passage

logger = logging.getLogger(__name__)

EMBED_AT_ONCE = 128  # passages, between two looks at the progress
LOOK_EVERY_S = 1.0
HARMLESS = "Hello."  # whether anything can be embedded
NOT_EMBEDDED = "The passages of this file could not be embedded. Check the file, then press Retry."


class EmbeddingBatch:
    """Drafts that are embedded together: long batches are quick batches. The thread of the pool touches no database."""

    def __init__(self, drafts: Sequence[Draft], pool: ThreadPoolExecutor) -> None:
        from retrieval.builds import get_search_embedder

        self._embedder = get_search_embedder()
        self.drafts = tuple(drafts)
        self._passages = [Passage(chunk.pk, chunk.text, chunk.context) for draft in drafts for chunk in draft.chunks]
        self._vectors: FloatMatrix = np.zeros((len(self._passages), self._embedder.dimension), np.float32)
        self._is_done = np.zeros(len(self._passages), bool)
        self._failed: set[int] = set()  # documents
        self._is_wanted = np.ones(len(self._passages), bool)
        self._take_over_known()
        self._embedding: Future[None] = pool.submit(self._embed)

    @property
    def is_done(self) -> bool:
        return self._embedding.done()

    def report(self) -> None:
        """Put how far the longer documents are on their rows. Of one that was deleted meanwhile nothing more is embedded, since
        others wait."""
        for draft, rows in self._rows_of_drafts():
            if len(draft.chunks) > EMBED_AT_ONCE and self._is_wanted[rows].any():
                self._is_wanted[rows] = report_progress(draft.claim, int(self._is_done[rows].sum()))

    def is_done_soon(self) -> bool:
        """Wait a little for the vectors, and report how far they are when they are not there. What an embedder raises that can
        embed nothing is raised here."""
        try:
            self._embedding.result(timeout=LOOK_EVERY_S)
        except NotYet:
            self.report()
            return False
        return True

    def wait(self) -> None:
        """Until there are vectors; raises as above."""
        while not self.is_done_soon():
            pass

    def write(self) -> set[str]:
        """Wait for the vectors, write each partition once and make the documents live; the partitions' keys."""
        self.wait()
        members: dict[str, list[tuple[Draft, slice]]] = {}
        for draft, rows in self._rows_of_drafts():
            if draft.claim.document.pk in self._failed:
                put_back(draft.claim, NOT_EMBEDDED)
                continue
            if not self._is_wanted[rows].all():
                continue
            members.setdefault(draft.claim.document.partition.key, []).append((draft, rows))
        for key, items in members.items():
            numbers = np.concatenate([np.arange(rows.start, rows.stop) for _, rows in items])
            passages = [self._passages[row] for row in numbers]
            make_live(key, [draft for draft, _ in items], passages, self._vectors[numbers], self._embedder.name)
        return set(members)

    def _rows_of_drafts(self) -> Iterator[tuple[Draft, slice]]:
        ends = accumulate((len(draft.chunks) for draft in self.drafts), initial=0)
        return zip(self.drafts, (slice(start, end) for start, end in pairwise(ends)), strict=True)

    def _take_over_known(self) -> None:
        chunks = [chunk for draft in self.drafts for chunk in draft.chunks]
        for row, vector in known_vectors(chunks, self._embedder.name).items():
            self._vectors[row], self._is_done[row] = vector, True

    def _embed(self) -> None:
        try:
            self._embed_rows(np.flatnonzero(~self._is_done))
        except Exception:  # whatever it was, it may be the passages of one document, and the others are not charged with it
            logger.warning("A batch could not be embedded; its documents are embedded one by one.", exc_info=True)
            self._embed_one_by_one()

    def _embed_one_by_one(self) -> None:
        for draft, rows in self._rows_of_drafts():
            try:
                self._embed_rows(rows.start + np.flatnonzero(~self._is_done[rows]))
            except Exception:
                self._embedder.embed_passages([HARMLESS])  # fails as well where it is no fault of the document
                logger.warning("Document %d could not be embedded.", draft.claim.document.pk, exc_info=True)
                self._failed.add(draft.claim.document.pk)

    def _embed_rows(self, missing: IdArray) -> None:
        """What stands in several of these rows is embedded once."""
        places: dict[str, list[int]] = {}
        for row in missing.tolist():
            places.setdefault(self._passages[row].searchable_text, []).append(row)
        texts = list(places)
        for start in range(0, len(texts), EMBED_AT_ONCE):
            some = [text for text in texts[start : start + EMBED_AT_ONCE] if self._is_wanted[places[text]].any()]
            if not some:
                continue
            for text, vector in zip(some, self._embedder.embed_passages(some), strict=True):
                self._vectors[places[text]], self._is_done[places[text]] = vector, True
