"""Which specialist writes an answer: of those in use, the one whose corpora hold most of what was found. It is asked only where
all that it was trained on is within what the question searches; whoever may not read one of its documents gets the base model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence

from assistant.finetuning.models import SpecialistVersion, VersionState
from assistant.finetuning.permissions import is_in_audience
from assistant.models import Answer
from ingestion.models import Chunk
from specialists.router.types import SPECIALIST

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


def documents_behind(answer: Answer) -> set[int]:
    """See documents_behind_all."""
    return documents_behind_all([answer])[answer.pk]


def documents_behind_all(answers: Sequence[Answer]) -> dict[int, set[int]]:
    """By answer, what a model had before it when it wrote it, and what it was trained on: its words may come from any of them,
    whatever it cites. Of an answer that quotes there is nothing. Two queries for each adapter, however many answers."""
    written = [answer for answer in answers if answer.route == SPECIALIST]
    adapters = {str(answer.refusal.get("adapter", "")) for answer in written}
    trained = {adapter: trained_documents(adapter) for adapter in adapters}
    behind: dict[int, set[int]] = {answer.pk: set() for answer in answers}
    for answer in written:
        shown = {int(item.get("document", NO_DOCUMENT)) for item in answer.passages}
        behind[answer.pk] = shown | trained[str(answer.refusal.get("adapter", ""))]
    return behind


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
