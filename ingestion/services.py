"""What people do to corpora and documents. Each function is one whole change: database, file store and indexes agree after it."""

from __future__ import annotations

import hashlib
import os
import unicodedata
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import BinaryIO, Literal

from django.conf import settings
from django.contrib.auth.models import Group, User
from django.db import IntegrityError, transaction
from django.utils.text import slugify

from ingestion.audiences import get_audience, get_partition
from ingestion.doorbell import ring
from ingestion.errors import IngestionError
from ingestion.models import Corpus, Document, DocumentState, Partition, PendingRemoval
from ingestion.removals import drain_removals, drop_indexes
from ingestion.tags import TagError, add_tags

NOT_STORED = "The server could not store the file. Upload it again; if that does not help, tell your administrator."
Outcome = Literal["added", "changed", "unchanged", "refused"]


class _SameAudience(Enum):
    KEEP = "keep"


SAME_AUDIENCE = _SameAudience.KEEP  # the default of add_document; an empty list of groups means nobody but the owner


@dataclass(frozen=True, slots=True)
class AddedDocument:
    """What became of one file. `message` is a sentence for the person who brought it."""

    document: Document | None
    outcome: Outcome
    message: str


@dataclass(frozen=True, slots=True)
class _StoredFile:
    name: str
    sha256: str
    size: int


# --- Corpora ----------------------------------------------------------------------------------------------------------


@transaction.atomic
def create_corpus(
    *, name: str, owner: User, description: str = "", groups: Iterable[Group] | None = None, is_for_slack: bool = False
) -> Corpus:
    name = name.strip()
    if not name:
        raise IngestionError("corpus_name_empty", "Give the corpus a name.")
    if Corpus.objects.filter(name__iexact=name).exists():
        raise IngestionError("corpus_name_taken", f"There is already a corpus named “{name}”. Choose another name.")
    return Corpus.objects.create(
        name=name, slug=_free_slug(name), description=description.strip(), owner=owner, audience=get_audience(groups),
        is_for_slack=is_for_slack,
    )  # fmt: skip


@transaction.atomic
def update_corpus(
    *, corpus: Corpus, name: str, description: str, owner: User, groups: Iterable[Group] | None, is_for_slack: bool | None = None
) -> Corpus:
    """`is_for_slack` None leaves it as it is."""
    name = name.strip()
    if not name:
        raise IngestionError("corpus_name_empty", "Give the corpus a name.")
    if Corpus.objects.filter(name__iexact=name).exclude(pk=corpus.pk).exists():
        raise IngestionError("corpus_name_taken", f"There is already a corpus named “{name}”. Choose another name.")
    corpus.name, corpus.description, corpus.owner, corpus.audience = name, description.strip(), owner, get_audience(groups)
    corpus.is_for_slack = corpus.is_for_slack if is_for_slack is None else is_for_slack
    corpus.save(update_fields=["name", "description", "owner", "audience", "is_for_slack", "updated_at"])
    return corpus


def delete_corpus(*, corpus: Corpus) -> None:
    """Delete the corpus with its documents, files and indexes."""
    with transaction.atomic():
        keys = [partition.key for partition in corpus.partitions.all()]
        files = list(corpus.documents.values_list("file", "sha256"))
        corpus.documents.all().delete()
        corpus.delete()
        transaction.on_commit(lambda: _delete_files(*files))
    drop_indexes(keys)


def _free_slug(name: str) -> str:
    stem = slugify(unicodedata.normalize("NFKD", name))[:120] or "corpus"
    slug, number = stem, 2
    while Corpus.objects.filter(slug=slug).exists():
        slug, number = f"{stem}-{number}", number + 1
    return slug


# --- Documents --------------------------------------------------------------------------------------------------------


def add_document(
    *,
    corpus: Corpus,
    source_name: str,
    content: BinaryIO,
    uploaded_by: User | None,
    groups: Iterable[Group] | _SameAudience | None = SAME_AUDIENCE,
    format: str = "",
    title: str = "",
    source_url: str = "",
) -> AddedDocument:
    """Store a file and queue it. A file of a known name replaces that document; unchanged bytes are skipped.

    `groups` narrows the document; None lifts a narrowing; left out, a known document keeps its audience. `format` is for
    names that do not end in one, `title` for formats that hold none, `source_url` for what stands elsewhere on the web.
    """
    name = clean_source_name(source_name)
    if not name:
        return AddedDocument(None, "refused", "The file has no name that can be used. Rename it and upload it again.")
    stored = _store(content)
    if stored is None:
        limit = settings.MAX_UPLOAD_BYTES // (1024 * 1024)
        return AddedDocument(None, "refused", f"The file is larger than {limit} MB. Split it and upload the parts.")
    try:
        added = _record(corpus, name, stored, uploaded_by, groups, format, title, source_url)
    except IntegrityError:  # the same name arrived twice at the same moment: the second looks again
        added = _record(corpus, name, stored, uploaded_by, groups, format, title, source_url)
    if added.outcome in ("unchanged", "refused"):
        _delete_files((stored.name, ""))
    return added


def with_tags(added: AddedDocument, tags: Sequence[str]) -> AddedDocument:
    """Add these to the document's tags, an unchanged one's too; where that makes too many, its message says so."""
    if added.document is not None:
        try:
            add_tags(added.document, tags)
        except TagError as error:
            return replace(added, message=f"{added.message} Its tags stay as they were. {error}")
    return added


@transaction.atomic
def _record(
    corpus: Corpus, name: str, stored: _StoredFile, uploaded_by: User | None,
    groups: Iterable[Group] | _SameAudience | None, format: str,
    title: str, source_url: str,
) -> AddedDocument:  # fmt: skip
    document = Document.objects.select_for_update().filter(corpus=corpus, source_name=name).first()
    if document is None:
        partition = get_partition(corpus, None if groups is SAME_AUDIENCE else groups)
        document = Document.objects.create(
            corpus=corpus, partition=partition, source_name=name, file=stored.name, sha256=stored.sha256, size=stored.size,
            uploaded_by=uploaded_by, format=format or _format(name), title=title[:300],
            source_url=_web_address(source_url),
        )  # fmt: skip
        transaction.on_commit(ring)
        return AddedDocument(document, "added", "Added.")
    if groups is not SAME_AUDIENCE:
        _move(document, get_partition(corpus, groups))
    if document.sha256 == stored.sha256:
        failed = f" It failed before: {document.error_message}" if document.state == DocumentState.FAILED else ""
        return AddedDocument(document, "unchanged", f"Unchanged, skipped.{failed}")
    old = (document.file, document.sha256)
    document.file, document.sha256, document.size, document.uploaded_by = stored.name, stored.sha256, stored.size, uploaded_by
    document.source_url = _web_address(source_url)
    document.save(update_fields=["file", "sha256", "size", "uploaded_by", "source_url", "updated_at"])
    _requeue(document)
    transaction.on_commit(lambda: _delete_files(old))
    return AddedDocument(document, "changed", "Changed: the new version takes the old one's place when it is ready.")


@transaction.atomic
def narrow_document(*, document: Document, groups: Iterable[Group] | None) -> Document:
    """Let only these groups (of those who may read the corpus) read the document; None lifts the narrowing."""
    document = Document.objects.select_for_update().get(pk=document.pk)
    _move(document, get_partition(document.corpus, groups))
    return document


def _move(document: Document, partition: Partition) -> None:
    """Take the passages out of the old partition in the same transaction, then index them in the new one."""
    if document.partition_id == partition.pk:
        return
    _forget_passages(document)
    document.partition = partition
    document.revision = 0
    document.save(update_fields=["partition", "revision", "updated_at"])
    _requeue(document)


@transaction.atomic
def retry_document(*, document: Document) -> None:
    """Queue a document again, with its attempts forgotten. One that waits already stays where it is."""
    document = Document.objects.select_for_update().get(pk=document.pk)
    if document.state in (DocumentState.READY, DocumentState.FAILED):
        _requeue(document)


def _requeue(document: Document) -> None:
    Document.objects.filter(pk=document.pk).update(
        state=DocumentState.QUEUED, attempts=0, lease_owner="", lease_until=None, error_code="", error_message="",
        warnings=[], chunks_embedded=0,
    )  # fmt: skip
    document.refresh_from_db()
    transaction.on_commit(ring)


def delete_document(*, document: Document) -> None:
    """Delete the row, the file and the passages. The gate closes with the commit; the index follows at once. One that somebody
    else has deleted meanwhile is gone already."""
    with transaction.atomic():
        current = Document.objects.select_for_update().filter(pk=document.pk).first()
        if current is None:
            return
        file = (current.file, current.sha256)
        _forget_passages(current)
        current.delete()
        transaction.on_commit(lambda: _delete_files(file))
    drain_removals(wait_s=2)


def _forget_passages(document: Document) -> None:
    key = document.partition.key
    ids = document.chunks.values_list("pk", flat=True)
    PendingRemoval.objects.bulk_create(
        [PendingRemoval(partition_key=key, passage_id=passage_id) for passage_id in ids], batch_size=500
    )
    document.chunks.all().delete()


# --- The upload store -------------------------------------------------------------------------------------------------


def original_path(document: Document) -> Path:
    return Path(settings.UPLOADS_DIR) / document.file


def clean_source_name(name: str) -> str:
    """The name as it is kept and shown: relative, without `..`, control or direction characters; never a path on disk."""
    name = unicodedata.normalize("NFC", name).replace("\\", "/")
    name = "".join(char for char in name if unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co", "Cn"))
    parts = [part.strip() for part in name.split("/")]
    return "/".join(part for part in parts if part not in ("", ".", ".."))[-500:].lstrip("/ ")


def _web_address(url: str) -> str:
    """It becomes a link: an address of another kind could be a script."""
    return url if url.startswith(("https://", "http://")) and len(url) <= 500 else ""


def _format(name: str) -> str:
    """The format that the name claims, for showing; the parser checks the bytes."""
    suffix = Path(name).suffix.lower().lstrip(".")
    return {"htm": "html", "markdown": "md"}.get(suffix, suffix)[:20]


def _store(content: BinaryIO) -> _StoredFile | None:
    """Write the bytes under a generated name; None when they exceed the limit."""
    folder = Path(settings.UPLOADS_DIR)
    name = f"{uuid.uuid4().hex[:2]}/{uuid.uuid4().hex}"
    path = folder / name
    path.parent.mkdir(mode=0o700, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        while block := content.read(1024 * 1024):
            digest.update(block)
            size += len(block)
            if size > settings.MAX_UPLOAD_BYTES:
                break
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
    if size > settings.MAX_UPLOAD_BYTES:
        path.unlink()
        return None
    return _StoredFile(name=name, sha256=digest.hexdigest(), size=size)


def _delete_files(*files: tuple[str, str]) -> None:
    """Delete stored files, given by name and hash, and the page pictures made of them unless the same bytes stay elsewhere."""
    from ingestion.page_images import forget_page_images

    for name, sha256 in files:
        (Path(settings.UPLOADS_DIR) / name).unlink(missing_ok=True)
        if sha256 and not Document.objects.filter(sha256=sha256).exists():
            forget_page_images(sha256)
