"""The documents of a corpus as its owner sees them: counts, filters, and rows that know whether they have changed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Count, Q, QuerySet, Sum, prefetch_related_objects
from django.http import QueryDict

from ingestion.models import MAY_SUCCEED_AGAIN, Corpus, Document, DocumentState, Tag
from ingestion.names import folded
from ingestion.permissions import AnyUser, readable_documents

PAGE_SIZE = 100
WORKING = (DocumentState.QUEUED, DocumentState.PARSING, DocumentState.INDEXING)
_STAGES: dict[str, Q] = {
    "": Q(),
    "ready": Q(state=DocumentState.READY),
    "working": Q(state__in=WORKING),
    "failed": Q(state=DocumentState.FAILED),
    "warned": Q(state=DocumentState.READY) & ~Q(warnings=[]),
    "narrowed": Q(partition__audience__isnull=False),
}
STAGE_LABELS = {
    "": "All",
    "ready": "Ready",
    "working": "In work",
    "failed": "Failed",
    "warned": "With a warning",
    "narrowed": "Narrowed",
}


@dataclass(frozen=True, slots=True)
class Filter:
    """What the owner looks for: words of the name or of a tag, and a stage (a key of STAGE_LABELS)."""

    text: str = ""
    stage: str = ""

    @classmethod
    def from_query(cls, query: QueryDict) -> Filter:
        stage = query.get("stage", "")
        return cls(query.get("find", "").strip()[:200].replace("\x00", ""), stage if stage in _STAGES else "")


@dataclass(frozen=True, slots=True)
class Counts:
    total: int
    ready: int
    working: int
    failed: int
    warned: int
    narrowed: int
    passages: int  # of the ready documents
    can_retry: int  # of the failed ones


@dataclass(frozen=True, slots=True)
class Row:
    """One document in the table. `version` changes whenever the row would look different."""

    document: Document
    name: str
    label: str
    tone: str  # "", "good", "warn" or "bad": the colour beside the words
    can_read: bool  # an administrator outside the audience sees the row, not what the document says
    version: str

    @property
    def is_working(self) -> bool:
        return self.document.state in WORKING

    @property
    def can_retry(self) -> bool:
        return self.document.state == DocumentState.FAILED and self.document.error_code in MAY_SUCCEED_AGAIN


def counts_of(corpus: Corpus) -> Counts:
    parts = {name: Count("pk", filter=condition) for name, condition in _STAGES.items() if name}
    passages = Sum("chunk_count", filter=_STAGES["ready"], default=0)
    can_retry = Count("pk", filter=_STAGES["failed"] & Q(error_code__in=MAY_SUCCEED_AGAIN))
    return Counts(**corpus.documents.aggregate(total=Count("pk"), passages=passages, can_retry=can_retry, **parts))


def listed_documents(corpus: Corpus, user: AnyUser, wanted: Filter) -> QuerySet[Document]:
    """The corpus's documents under the filter. A title is searched only where the person may read it."""
    documents = corpus.documents.filter(_STAGES[wanted.stage])
    if wanted.text:
        by_title = Q(title__icontains=wanted.text, pk__in=readable_documents(user).filter(corpus=corpus).values("pk"))
        by_tag = Q(pk__in=Tag.objects.filter(document__corpus=corpus, key__contains=folded(wanted.text)).values("document"))
        documents = documents.filter(Q(source_name__icontains=wanted.text) | by_title | by_tag)
    return documents.order_by("source_name").select_related("partition__audience").prefetch_related("partition__audience__groups")


def rows_of(documents: Iterable[Document], user: AnyUser) -> list[Row]:
    listed = list(documents)
    prefetch_related_objects(listed, "tags")
    readable = set(readable_documents(user).filter(pk__in=[document.pk for document in listed]).values_list("pk", flat=True))
    return [_row(document, can_read=document.pk in readable) for document in listed]


def _row(document: Document, *, can_read: bool) -> Row:
    label, tone = DocumentState(document.state).label, ""
    if document.state == DocumentState.READY:
        label, tone = ("Ready, with a warning", "warn") if document.warnings else ("Ready", "good")
    elif document.state == DocumentState.FAILED:
        tone = "bad"
    name = (document.title if can_read else "") or document.source_name.rsplit("/", 1)[-1]
    looks = (
        document.state, document.title, document.pages, document.chunk_count, document.chunks_embedded, document.revision,
        document.warnings, document.error_message, document.partition_id, can_read,
        [tag.name for tag in document.tags.all()],
    )  # fmt: skip
    version = hashlib.blake2s(repr(looks).encode(), digest_size=4).hexdigest()
    return Row(document, name, label, tone, can_read, version)
