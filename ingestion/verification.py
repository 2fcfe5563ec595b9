"""Compares the indexes with the database, which is the truth, and repairs what differs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from django.db.models import F

from ingestion.models import Chunk, Document, DocumentState, Partition, PendingRemoval
from retrieval.passages import Passage

BATCH = 500
Progress = Callable[[str, int, int], None]


def _nobody_looks(key: str, done: int, total: int) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference between an index and the database. `code` is stable; `message` is for a person."""

    partition: str
    code: str
    message: str


def verify(*, repair: bool = False, progress: Progress = _nobody_looks) -> list[Finding]:
    """All differences, found before the repair. After a repair a second call finds none. `progress` is told, while a partition is
    mended, its key, how many passages are written again and of how many."""
    from retrieval.indexing import drop_partition, list_partitions

    known = {partition.key: partition for partition in Partition.objects.all()}
    findings: list[Finding] = []
    for key in sorted(set(list_partitions()) - known.keys()):
        findings.append(Finding(key, "orphan_index", "The index belongs to no corpus."))
        if repair:
            drop_partition(key)
    for key, partition in sorted(known.items()):
        found = list(_verify_partition(key, partition))
        findings += found
        if repair and found:
            _repair(key, partition, {finding.code for finding in found}, progress)
    return findings


def _live_chunks(partition: Partition) -> dict[int, int]:
    rows = Chunk.objects.filter(document__partition=partition, revision=F("document__revision"))
    return dict(rows.values_list("pk", "document_id"))


def _verify_partition(key: str, partition: Partition) -> Iterator[Finding]:
    from retrieval.indexing import check_partition, partition_ids

    problem = check_partition(key)
    if problem is not None:
        yield Finding(key, "unsound", problem)
        return
    live = set(_live_chunks(partition))
    in_work = set(
        Chunk.objects.filter(document__partition=partition).exclude(revision=F("document__revision")).values_list("pk", flat=True)
    )
    for side, ids in zip(("dense", "lexical"), partition_ids(key), strict=True):
        if missing := live - ids:
            yield Finding(key, f"missing_{side}", f"{len(missing)} passages of the database are not in the {side} index.")
        if orphans := ids - live - in_work:
            yield Finding(key, f"orphan_{side}", f"{len(orphans)} passages of the {side} index are not in the database.")
    empty = Document.objects.filter(partition=partition, state=DocumentState.READY).exclude(chunks__revision=F("revision"))
    if count := empty.count():
        yield Finding(key, "ready_without_passages", f"{count} ready documents have no passages.")


def _repair(key: str, partition: Partition, codes: set[str], progress: Progress) -> None:
    from retrieval.indexing import drop_partition, partition_ids, remove_passages

    if "unsound" in codes:
        drop_partition(key)
    if "ready_without_passages" in codes:
        empty = Document.objects.filter(partition=partition, state=DocumentState.READY).exclude(chunks__revision=F("revision"))
        empty.update(state=DocumentState.QUEUED, attempts=0)
    live = set(_live_chunks(partition))
    dense, lexical = partition_ids(key)
    _add(key, sorted(live - (dense & lexical)), progress)
    orphans = sorted((dense | lexical) - set(Chunk.objects.filter(document__partition=partition).values_list("pk", flat=True)))
    if orphans:
        remove_passages(key, orphans)
    PendingRemoval.objects.filter(partition_key=key, passage_id__in=orphans[:500]).delete()


def _add(key: str, ids: Sequence[int], progress: Progress) -> None:
    """Embed these passages again and write them."""
    from retrieval.builds import get_search_embedder
    from retrieval.indexing import write_passages

    for start in range(0, len(ids), BATCH):
        chunks = Chunk.objects.filter(pk__in=ids[start : start + BATCH])
        passages = [Passage(chunk.pk, chunk.text, chunk.context) for chunk in chunks]
        embedder = get_search_embedder()
        vectors = embedder.embed_passages([passage.searchable_text for passage in passages])
        write_passages(key, add=passages, vectors=vectors, embedder=embedder.name)
        progress(key, min(len(ids), start + BATCH), len(ids))
