"""Takes out of the indexes what has left the database. The database remembers what is still to be taken out."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable

from ingestion.models import PendingRemoval
from retrieval.errors import RetrievalError

logger = logging.getLogger(__name__)


def drain_removals(*, wait_s: float = 60) -> int:
    """Remove the pending passages from their indexes. What cannot be done now stays pending for the worker."""
    from retrieval.indexing import remove_passages

    pending: dict[str, list[PendingRemoval]] = defaultdict(list)
    for removal in PendingRemoval.objects.all().iterator(chunk_size=2000):
        pending[removal.partition_key].append(removal)
    removed = 0
    for key, removals in pending.items():
        try:
            remove_passages(key, [removal.passage_id for removal in removals], wait_s=wait_s)
        except RetrievalError as error:
            logger.warning("Removals from %s are put off: %s", key, error.code)
            continue
        rows = [removal.pk for removal in removals]
        for start in range(0, len(rows), 500):
            PendingRemoval.objects.filter(pk__in=rows[start : start + 500]).delete()
        removed += len(rows)
    return removed


def drop_indexes(keys: Iterable[str]) -> None:
    """Remove whole indexes whose corpus is gone. The sweep finds what could not be dropped now."""
    from retrieval.indexing import drop_partition

    for key in keys:
        try:
            drop_partition(key)
        except RetrievalError as error:
            logger.warning("Index %s is left for verify_index: %s", key, error.code)
        PendingRemoval.objects.filter(partition_key=key).delete()
