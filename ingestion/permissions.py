"""The gates of corpora and documents: who may read, who may manage. To hold an object is to have passed here.

Reading: the corpus's owner reads all of it; everyone else must be in the corpus's audience and, where a document narrows
it, in the document's audience too. Managing (upload, delete, see the rows): the owner, and administrators. An
administrator who is not in an audience sees that a document exists, never what it says.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User
from django.db.models import F, Q, QuerySet
from django.http import Http404

from ingestion.models import Audience, Chunk, Corpus, Document, Partition

AnyUser = User | AnonymousUser | AbstractBaseUser


def _is_active(user: AnyUser) -> bool:
    return bool(user.is_authenticated and user.is_active)


def is_administrator(user: AnyUser) -> bool:
    return _is_active(user) and bool(getattr(user, "is_superuser", False))


def can_manage_something(user: AnyUser) -> bool:
    return is_administrator(user) or (_is_active(user) and Corpus.objects.filter(owner_id=user.pk).exists())


def _audiences_of(user: AnyUser) -> QuerySet[Audience]:
    return Audience.objects.filter(Q(everyone=True) | Q(groups__user=user.pk)).distinct()


def readable_corpora(user: AnyUser) -> QuerySet[Corpus]:
    if not _is_active(user):
        return Corpus.objects.none()
    return Corpus.objects.filter(Q(owner=user.pk) | Q(audience__in=_audiences_of(user)))


def readable_partitions(user: AnyUser, *, corpora: Iterable[Corpus] | None = None) -> QuerySet[Partition]:
    """The partitions that this person's search opens. `corpora` can only narrow; an empty one opens nothing."""
    if not _is_active(user):
        return Partition.objects.none()
    audiences = _audiences_of(user)
    partitions = Partition.objects.filter(
        Q(corpus__owner=user.pk) | Q(corpus__audience__in=audiences) & (Q(audience__isnull=True) | Q(audience__in=audiences))
    )
    if corpora is not None:
        partitions = partitions.filter(corpus__in=[corpus.pk for corpus in corpora])
    return partitions


def readable_documents(user: AnyUser) -> QuerySet[Document]:
    return Document.objects.filter(partition__in=readable_partitions(user))


def readable_chunks(user: AnyUser, ids: Iterable[int]) -> QuerySet[Chunk]:
    """The second gate: of these ids, the live chunks of documents that this person may read now."""
    return live_chunks(readable_partitions(user), ids)


def live_chunks(partitions: QuerySet[Partition], ids: Iterable[int]) -> QuerySet[Chunk]:
    """Of these ids, the chunks of the live revisions of documents in these partitions."""
    return (
        Chunk.objects.filter(pk__in=list(ids), revision=F("document__revision"))
        .filter(document__partition__in=partitions)
        .select_related("document__corpus")
    )


def managed_corpora(user: AnyUser) -> QuerySet[Corpus]:
    if is_administrator(user):
        return Corpus.objects.all()
    return Corpus.objects.filter(owner=user.pk) if _is_active(user) else Corpus.objects.none()


def get_document_for(user: AnyUser, document_id: int) -> Document:
    """A document to read, or Http404, whether it is absent or another's."""
    document = readable_documents(user).select_related("corpus", "partition").filter(pk=document_id).first()
    if document is None:
        raise Http404
    return document


def get_managed_corpus_for(user: AnyUser, slug: str) -> Corpus:
    corpus = managed_corpora(user).filter(slug=slug).first()
    if corpus is None:
        raise Http404
    return corpus


def get_managed_document_for(user: AnyUser, document_id: int) -> Document:
    """A document's row to manage (retry, delete, narrow), or Http404."""
    document = (
        Document.objects.filter(corpus__in=managed_corpora(user))
        .select_related("corpus", "partition")
        .filter(pk=document_id)
        .first()
    )
    if document is None:
        raise Http404
    return document
