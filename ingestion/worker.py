"""Works the queue of documents: claims them, parses two at a time, and embeds one batch while the next is being read. A long
document is embedded alone, and lets shorter ones pass. Runs in the embedded worker (manage.py run_worker) and in Celery workers
alike; several may run at once."""

from __future__ import annotations

import logging
import os
import socket
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

from ingestion.connections import release_connection
from ingestion.embedding import EmbeddingBatch
from ingestion.parsers.base import ParsedDocument
from ingestion.pipeline import Claim, Draft, claim_documents, draft, give_back, parse, renew
from ingestion.removals import drain_removals
from ingestion.renewing import renewing

logger = logging.getLogger(__name__)

CLAIMED_AT_ONCE = 32
BATCH_CHUNKS = 512
BATCH_DOCUMENTS = 128
PARSERS_AT_ONCE = 2
EMBEDDED_AT_ONCE = 2  # a long document, and those that pass it
PASSING_AT_ONCE = 8  # documents that are claimed while a long one is embedded
LONG_WAITING = 2  # long documents that are read ahead: they stand in memory


def work_until_empty(*, should_stop: Callable[[], bool] = lambda: False) -> int:
    """Ingest until nothing is queued. Returns how many documents were taken up."""
    owner = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:6]}"
    taken = 0

    def claim(limit: int, *, only_new: bool) -> list[Claim]:
        nonlocal taken
        claims = [] if should_stop() else claim_documents(owner=owner, limit=limit, only_new=only_new)
        taken += len(claims)
        return claims

    drain_removals()
    with _line(partial(claim, PASSING_AT_ONCE, only_new=True)) as line:
        while not should_stop():
            claims = claim(CLAIMED_AT_ONCE, only_new=line.is_busy)
            if claims:
                line.take(claims)
            elif line.is_busy:
                line.finish()  # a document that was lost once is claimed only when no other is held
            else:
                break
    return taken


def ingest(claims: Sequence[Claim]) -> None:
    """Bring these documents to an end state."""
    with _line() as line:
        line.take(claims)


class _Line:
    """Documents on their way. A batch is embedded when it is large enough, while the next is being read; the last one when
    nothing else is queued. A document that is longer than a batch is one of its own: while it is embedded, those that came
    with it and what `claim_more` finds go past it."""

    def __init__(self, parsers: ThreadPoolExecutor, embedding: ThreadPoolExecutor, claim_more: Callable[[], list[Claim]]) -> None:
        from retrieval.builds import get_search_embedder
        from retrieval.embedders import get_embedder

        get_search_embedder()  # what cannot be loaded is told before a document is claimed, which would be charged with it
        self._count_tokens = get_embedder().count_tokens
        self._parsers = parsers
        self._pool = embedding
        self._claim_more = claim_more
        self._taken: tuple[Claim, ...] = ()
        self._passing: tuple[Claim, ...] = ()
        self._waiting: list[Draft] = []
        self._long: list[Draft] = []
        self._batch: EmbeddingBatch | None = None

    @property
    def is_busy(self) -> bool:
        return bool(self._waiting or self._long or self._batch)

    def renew(self) -> None:
        renew(self._held())

    def _held(self) -> list[Claim]:
        batch = self._batch
        drafts = [*self._waiting, *self._long, *(batch.drafts if batch else ())]
        return [*self._taken, *self._passing, *(item.claim for item in drafts)]

    def take(self, claims: Sequence[Claim]) -> None:
        """Read and cut these documents, and embed what is enough for a batch. One that was lost once is finished alone."""
        self._taken = tuple(claims)
        for item in self._read(claims):
            (self._long if _is_long(item) else self._waiting).append(item)
            if self._batch and self._batch.is_done:
                self._write()
            if len(self._waiting) >= BATCH_DOCUMENTS or sum(len(entry.chunks) for entry in self._waiting) >= BATCH_CHUNKS:
                self._embed()
            elif self._long and (not self._batch or len(self._long) >= LONG_WAITING):
                self._embed_long()
        if any(claim.document.attempts > 1 for claim in claims):
            self.finish()

    def finish(self) -> None:
        if self._waiting:
            self._embed()
        while self._long:
            self._embed_long()
        self._write()

    def _read(self, claims: Sequence[Claim]) -> Iterator[Draft]:
        for claim, parsed in zip(claims, self._parsers.map(_parse, claims), strict=True):
            item = draft(claim, parsed, self._count_tokens) if parsed is not None else None
            if item is not None:
                yield item

    def _embed(self) -> None:
        self._write()
        if self._waiting:  # none of them went past a long one
            self._batch, self._waiting = EmbeddingBatch(self._waiting, self._pool), []

    def _embed_long(self) -> None:
        self._write()
        self._batch = EmbeddingBatch([self._long.pop(0)], self._pool)

    def _write(self) -> None:
        if self._batch is None:
            return
        try:
            while not self._batch.is_done_soon():
                if _is_long(self._batch.drafts[0]):
                    self._let_pass()
        except Exception:  # an embedder may raise anything, and no document is charged with it
            give_back(self._held())
            raise
        _close(self._batch)
        self._batch = None

    def _let_pass(self) -> None:
        """Bring to their end, beside a long document that is being embedded, those that wait and those queued since."""
        self._passing = tuple(self._claim_more()) if len(self._long) < LONG_WAITING else ()
        for item in self._read(self._passing):
            (self._long if _is_long(item) else self._waiting).append(item)
        if self._waiting:
            _close(EmbeddingBatch(self._waiting, self._pool))
        self._passing, self._waiting = (), []


def _is_long(item: Draft) -> bool:
    return len(item.chunks) > BATCH_CHUNKS


def _close(batch: EmbeddingBatch) -> None:
    keys = batch.write()
    drain_removals()
    _compact(keys)


@contextmanager
def _line(claim_more: Callable[[], list[Claim]] = list) -> Iterator[_Line]:
    """A line that is finished at the end, with its threads and the renewal of its leases."""
    with (
        ThreadPoolExecutor(PARSERS_AT_ONCE, thread_name_prefix="parse") as parsers,
        ThreadPoolExecutor(EMBEDDED_AT_ONCE, thread_name_prefix="embed") as embedding,
    ):
        line = _Line(parsers, embedding, claim_more)
        with renewing(line.renew):
            yield line
            line.finish()


def _compact(keys: Iterable[str]) -> None:
    """Keep searches quick as partitions grow. What cannot be done now is tried after the next batch; searches go on meanwhile."""
    from retrieval.errors import RetrievalError
    from retrieval.indexing import compact_partition

    for key in keys:
        try:
            while compact_partition(key):
                pass
        except RetrievalError as error:
            logger.warning("Index %s could not be compacted: %s", key, error.code)


def _parse(claim: Claim) -> ParsedDocument | None:
    try:
        return parse(claim)
    finally:
        release_connection()  # the pool's threads end with the line; their connections must not outlive them
