"""Which specialist writes an answer: of those in use, the one whose corpora hold most of what was found. It is asked only where
all that it was trained on is within what the question searches; whoever may not read one of its documents gets the base model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence

from assistant.finetuning.models import SpecialistVersion, VersionState
from assistant.finetuning.permissions import is_in_audience
from ingestion.models import Chunk

NO_DOCUMENT = 0


def choose_adapter(chunks: Sequence[Chunk], partitions: Collection[int]) -> str:
    """The adapter's name; empty for the base model. `chunks`: what was found, best first; `partitions`: what was searched."""
    found: defaultdict[int, float] = defaultdict(float)
    for rank, chunk in enumerate(chunks, start=1):
        found[chunk.document.corpus_id] += 1 / rank
    best, most = "", 0.0
    versions = SpecialistVersion.objects.filter(state=VersionState.PROMOTED, specialist__corpora__in=found).distinct()
    for version in versions.select_related("specialist").prefetch_related("specialist__corpora"):
        weight = sum(found.get(corpus.pk, 0.0) for corpus in version.specialist.corpora.all())
        if weight > most and is_in_audience(version, partitions):
            best, most = version.adapter_name, weight
    return best


def may_use(adapter: str, partitions: Collection[int]) -> bool:
    """Whether the adapter is still in use, and for them."""
    version = _version_of(adapter)
    return version is not None and version.state == VersionState.PROMOTED and is_in_audience(version, partitions)


def trained_documents(adapter: str) -> set[int]:
    """The documents in an adapter's weights; with one that nobody may read where one of them was deleted, or the version was."""
    if not adapter:
        return set()
    version = _version_of(adapter)
    documents = set(version.documents.values_list("document_id", flat=True)) if version else set()
    return documents if version and len(documents) == version.document_count else documents | {NO_DOCUMENT}


def _version_of(adapter: str) -> SpecialistVersion | None:
    slug, _, number = adapter.rpartition("-v")
    if not number.isdecimal():
        return None
    return SpecialistVersion.objects.filter(specialist__slug=slug, number=int(number)).first()
