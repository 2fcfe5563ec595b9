"""Works the queue of documents: claims a batch, parses it two at a time, embeds and indexes it together. Runs in the
embedded worker (manage.py run_worker) and in Celery workers alike; several may run at once."""

from __future__ import annotations

import logging
import os
import socket
import uuid
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from ingestion.connections import release_connection
from ingestion.parsers.base import ParsedDocument
from ingestion.pipeline import Claim, Draft, claim_documents, draft, index, parse, renew
from ingestion.removals import drain_removals
from ingestion.renewing import renewing

logger = logging.getLogger(__name__)

BATCH_DOCUMENTS = 32
BATCH_CHUNKS = 512
PARSERS_AT_ONCE = 2


def work_until_empty(*, should_stop: Callable[[], bool] = lambda: False) -> int:
    """Ingest until nothing is queued. Returns how many documents were taken up."""
    owner = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:6]}"
    taken = 0
    drain_removals()
    while not should_stop():
        claims = claim_documents(owner=owner, limit=BATCH_DOCUMENTS)
        if not claims:
            break
        taken += len(claims)
        ingest(claims)
        drain_removals()
        _compact({claim.document.partition.key for claim in claims})
    return taken


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


def ingest(claims: Sequence[Claim]) -> None:
    """Bring these documents to an end state. Embedding waits until a good batch is together, or the last is parsed."""
    from retrieval.embedders import get_embedder

    count_tokens = get_embedder().count_tokens
    with renewing(lambda: renew(claims)), ThreadPoolExecutor(PARSERS_AT_ONCE, thread_name_prefix="parse") as parsers:
        waiting: list[Draft] = []
        for claim, parsed in zip(claims, parsers.map(_parse, claims), strict=True):
            item = draft(claim, parsed, count_tokens) if parsed is not None else None
            if item is not None:
                waiting.append(item)
            if sum(len(entry.chunks) for entry in waiting) >= BATCH_CHUNKS:
                index(waiting)
                waiting = []
        index(waiting)


def _parse(claim: Claim) -> ParsedDocument | None:
    try:
        return parse(claim)
    finally:
        release_connection()  # the pool's threads end with the batch; their connections must not outlive them
