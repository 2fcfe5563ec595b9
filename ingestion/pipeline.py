"""From a queued document to a ready one: claim → parse → chunk → embed (in embedding.py) → index → flip. Every step may be
killed and redone.

A claim is a lease: a conditional UPDATE that names its owner and its end. Whoever lost the lease (because the document was
changed, moved, deleted or claimed again) finds that out at the next step and throws its work away.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from ingestion.chunking import ChunkDraft, chunk_document
from ingestion.known_vectors import content_key
from ingestion.models import Chunk, Document, DocumentState, DocumentText, PendingRemoval
from ingestion.parsers.base import ParsedDocument, ParseError
from ingestion.parsers.sandbox import parse_file
from ingestion.services import original_path
from ingestion.tags import add_own_tags
from ingestion.versions import read_edition, says_retired
from retrieval.errors import RetrievalError
from retrieval.passages import FloatMatrix, Passage

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=60)
MAX_ATTEMPTS = 3
MAX_CHUNKS = 20_000
IN_WORK = (DocumentState.PARSING, DocumentState.INDEXING)


@dataclass(frozen=True, slots=True)
class Claim:
    """A document that this worker holds. `owner` is unique to the claim, so an old claim never passes for a new one."""

    document: Document
    owner: str


@dataclass(frozen=True, slots=True)
class Draft:
    """A parsed and chunked document on its way to the index. `chunks` are in the database, not live yet."""

    claim: Claim
    parsed: ParsedDocument
    chunks: tuple[Chunk, ...]


# --- The lease --------------------------------------------------------------------------------------------------------


def claim_documents(*, owner: str, limit: int, only_new: bool = False) -> list[Claim]:
    """Take up to `limit` documents that are queued or whose lease has run out.

    A document that was lost once comes alone, after all others, and never with `only_new`: when the worker dies of it again,
    it is known whose fault it was, and no neighbour is charged. Lost three times, it is a failure, not a loop.
    """
    now = timezone.now()
    waiting = Q(state=DocumentState.QUEUED) | Q(state__in=IN_WORK, lease_until__lt=now)
    claims = []
    candidates = Document.objects.filter(waiting).select_related("partition", "corpus").order_by("updated_at")
    chosen = list(candidates.filter(attempts=0)[:limit])
    if not chosen and not only_new:
        chosen = list(candidates.filter(attempts__gt=0)[:1])
    for document in chosen:
        token = f"{owner}/{document.attempts + 1}/{now.timestamp():.3f}"
        taken = (
            Document.objects.filter(pk=document.pk, attempts=document.attempts)
            .filter(waiting)
            .update(state=DocumentState.PARSING, lease_owner=token, lease_until=now + LEASE, attempts=F("attempts") + 1)
        )
        if not taken:
            continue
        document.attempts += 1
        claim = Claim(document, token)
        if document.attempts > MAX_ATTEMPTS:
            fail(claim, "gave_up", "Reading this file stopped the worker three times. Check the file, then press Retry.")
        else:
            claims.append(claim)
    return claims


def release_leases() -> int:
    """Give back every lease. For the embedded worker, which is the only one of its data folder, when it starts: what was in
    work then belongs to the dead, or to an import command, whose work is thrown away if it is taken up here first."""
    return Document.objects.filter(state__in=IN_WORK).update(lease_until=timezone.now() - timedelta(seconds=1))


def renew(claims: Sequence[Claim]) -> None:
    owners = [claim.owner for claim in claims]
    Document.objects.filter(lease_owner__in=owners, state__in=IN_WORK).update(lease_until=timezone.now() + LEASE)


def _held(claim: Claim, **changes: object) -> bool:
    """Change the document's row if the claim still holds it."""
    rows = Document.objects.filter(pk=claim.document.pk, lease_owner=claim.owner, state__in=IN_WORK)
    return bool(rows.update(updated_at=timezone.now(), **changes))


def fail(claim: Claim, code: str, public_message: str) -> None:
    """End in `failed` with the sentence. What was live before stays live: a bad new version does not take a good one down."""
    message = public_message[:500]
    if _held(claim, state=DocumentState.FAILED, error_code=code, error_message=message, lease_owner="", lease_until=None):
        _drop_drafts(claim.document)


def put_back(claim: Claim, message: str) -> None:
    """Queue again after a failure that may pass (a busy index, a full disk); the third time it is a failure."""
    if claim.document.attempts >= MAX_ATTEMPTS:
        fail(claim, "gave_up", message)
        return
    if _held(claim, state=DocumentState.QUEUED, lease_owner="", lease_until=None):
        _drop_drafts(claim.document)


def give_back(claims: Sequence[Claim]) -> None:
    """Queue again what could not be finished through no fault of its own: the attempt does not count."""
    for claim in claims:
        if _held(claim, state=DocumentState.QUEUED, lease_owner="", lease_until=None, attempts=F("attempts") - 1):
            _drop_drafts(claim.document)


@transaction.atomic
def _drop_drafts(document: Document) -> None:
    """Forget chunks that never became live."""
    drafts = Chunk.objects.filter(document=document.pk).exclude(revision=F("document__revision"))
    ids = list(drafts.values_list("pk", flat=True))
    if ids:
        _schedule_removal(document.partition.key, ids)
        drafts.delete()


def _schedule_removal(key: str, ids: Sequence[int]) -> None:
    PendingRemoval.objects.bulk_create([PendingRemoval(partition_key=key, passage_id=pk) for pk in ids], batch_size=500)


# --- The steps --------------------------------------------------------------------------------------------------------


def parse(claim: Claim) -> ParsedDocument | None:
    """Read the file in the bounded child; a file that cannot be read fails with its sentence and harms nobody."""
    document = claim.document
    path = original_path(document)
    if not path.exists():
        fail(claim, "file_missing", "The stored file is gone. Upload it again.")
        return None
    try:
        return parse_file(path, _name_with_format(document))
    except ParseError as error:
        if error.permanent:
            fail(claim, error.code, error.public_message)
        else:
            put_back(claim, error.public_message)
        return None


def _name_with_format(document: Document) -> str:
    """The name that tells the parser its format; some sources name their documents without one."""
    name = document.source_name
    return name if name.lower().endswith(f".{document.format}") or "." in name[-6:] else f"{name}.{document.format}"


def draft(claim: Claim, parsed: ParsedDocument, count_tokens: Callable[[Sequence[str]], list[int]]) -> Draft | None:
    """Cut the text into chunks and store them, not live yet."""
    document = claim.document
    title = (parsed.title or document.title or document.source_name.rsplit("/", 1)[-1])[:300]
    drafts = chunk_document(parsed, title=title, count_tokens=count_tokens)
    if not drafts:
        fail(claim, "no_text", "No text was found in the file. If it is a scan, upload a version with a text layer.")
        return None
    if len(drafts) > MAX_CHUNKS:
        fail(claim, "too_long", f"The file makes more than {MAX_CHUNKS:,} passages. Split it and upload the parts.")
        return None
    with transaction.atomic():
        if not _held(
            claim, state=DocumentState.INDEXING, title=title, pages=parsed.pages, chunk_count=len(drafts), chunks_embedded=0
        ):
            return None
        _drop_drafts(document)
        chunks = Chunk.objects.bulk_create([_chunk(document, parsed, item) for item in drafts], batch_size=200)
    return Draft(claim, parsed, tuple(chunks))


def _chunk(document: Document, parsed: ParsedDocument, item: ChunkDraft) -> Chunk:
    text = parsed.text[item.start : item.end]
    return Chunk(
        document=document, revision=document.revision + 1, position=item.position, start=item.start, end=item.end,
        page=item.page, sheet=item.sheet or "", heading_path=list(item.heading_path), context=item.context,
        text=text, content_key=content_key(item.context, text), sentences=[list(span) for span in item.sentences],
    )  # fmt: skip


def report_progress(claim: Claim, chunks_embedded: int) -> bool:
    """False when the document was deleted, or is no longer this claim's."""
    return _held(claim, chunks_embedded=chunks_embedded)


def make_live(key: str, drafts: Sequence[Draft], passages: Sequence[Passage], vectors: FloatMatrix, embedder: str) -> None:
    """Write the passages of these drafts into their partition at once, and flip each. `vectors`: (len(passages), dimension), of
    the embedder of this name."""
    from retrieval.indexing import write_passages

    try:
        write_passages(key, add=passages, vectors=vectors, embedder=embedder)
    except RetrievalError as error:
        logger.warning("Index %s could not be written: %s", key, error.code)
        for item in drafts:
            put_back(item.claim, error.public_message)
        return
    for item in drafts:
        if not flip(item):
            _schedule_removal(key, [chunk.pk for chunk in item.chunks])


def _edition(source_name: str, text: str) -> dict[str, object]:
    edition = read_edition(source_name)
    return {"family": edition.family, "is_retired": edition.is_retired or says_retired(text)}


@transaction.atomic
def flip(item: Draft) -> bool:
    """Make the new revision live and the old one history, in one transaction. False when the claim was lost meanwhile."""
    document, revision = item.claim.document, item.claim.document.revision + 1
    is_ours = _held(
        item.claim, state=DocumentState.READY, revision=revision, warnings=list(item.parsed.warnings), error_code="",
        error_message="", chunk_count=len(item.chunks), chunks_embedded=len(item.chunks), lease_owner="", lease_until=None,
        format=item.parsed.format or document.format, tagged_sha256=document.sha256,
        **_edition(document.source_name, item.parsed.text),
    )  # fmt: skip
    if not is_ours:
        return False
    if document.tagged_sha256 != document.sha256:  # else somebody may have taken one of them off since
        add_own_tags(document, item.parsed.keywords)
    old = Chunk.objects.filter(document=document.pk).exclude(revision=revision)
    ids = list(old.values_list("pk", flat=True))
    if ids:
        _schedule_removal(document.partition.key, ids)
        old.delete()
    data = item.parsed.to_json()
    text = DocumentText(document_id=document.pk, text=data["text"], blocks=data["blocks"])
    DocumentText.objects.bulk_create([text], update_conflicts=True, unique_fields=["document"], update_fields=["text", "blocks"])
    return True
