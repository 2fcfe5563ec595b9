"""The gates of specialists: whoever manages all of its corpora and may read them. Rows are copies of documents, so of these a
person sees only what they may read; and an adapter is a copy of all that it was trained on."""

from __future__ import annotations

from collections.abc import Collection

from django.contrib.auth.models import User
from django.db.models import Count, F, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import Http404

from assistant.finetuning.models import DataSet, DataSetRow, RowPassage, Specialist, SpecialistVersion
from assistant.golden.permissions import golden_corpora
from ingestion.models import Corpus, Partition
from ingestion.permissions import AnyUser, readable_documents, readable_partitions


def specialist_corpora(user: AnyUser) -> QuerySet[Corpus]:
    """Of which this person may make specialists: as with golden questions, those that they manage and may read."""
    return golden_corpora(user)


def managed_specialists(user: AnyUser) -> QuerySet[Specialist]:
    """Those of whose corpora none is beyond this person."""
    others = Corpus.objects.exclude(pk__in=specialist_corpora(user).values("pk"))
    return Specialist.objects.exclude(corpora__in=others).filter(corpora__isnull=False).distinct()


def get_specialist_for(user: AnyUser, slug: str) -> Specialist:
    found = managed_specialists(user).filter(slug=slug).first()
    if found is None:
        raise Http404
    return found


def get_data_set_for(user: AnyUser, slug: str, number: int) -> DataSet:
    found = DataSet.objects.filter(specialist=get_specialist_for(user, slug), number=number).select_related("specialist").first()
    if found is None:
        raise Http404
    return found


def get_version_for(user: AnyUser, slug: str, number: int) -> SpecialistVersion:
    versions = SpecialistVersion.objects.filter(specialist=get_specialist_for(user, slug), number=number)
    found = versions.select_related("specialist", "data_set", "incumbent__specialist").first()
    if found is None:
        raise Http404
    return found


def whole_rows(data_set: DataSet) -> QuerySet[DataSetRow]:
    """Without those that lost a passage because its document was deleted."""
    return data_set.rows.annotate(left=passages_left()).filter(left=F("passage_count"))


def passages_left() -> Coalesce:
    """Of a row. A subquery, so that what is counted besides is not multiplied by its passages."""
    passages = RowPassage.objects.filter(row=OuterRef("pk")).order_by().values("row")
    return Coalesce(Subquery(passages.annotate(count=Count("pk")).values("count")), 0)


def visible_rows(user: AnyUser, data_set: DataSet) -> QuerySet[DataSetRow]:
    """The rows all of whose documents this person may read. One passage that they may not read hides the row."""
    readable = readable_documents(user).values("pk")
    hidden = RowPassage.objects.filter(row__data_set=data_set).exclude(document__in=readable)
    return whole_rows(data_set).filter(document__in=readable).exclude(pk__in=hidden.values("row"))


def may_make(person: User | None, specialist: Specialist) -> bool:
    return person is not None and person.is_active and managed_specialists(person).filter(pk=specialist.pk).exists()


def partitions_for(person: User, specialist: Specialist) -> list[Partition]:
    return list(readable_partitions(person, corpora=specialist.corpora.all()))


def is_in_audience(version: SpecialistVersion, partitions: Collection[int]) -> bool:
    """Whether all that the version was trained on is in these partitions. Of a document that was deleted nobody can say so."""
    if not version.document_count:
        return False
    inside = version.documents.filter(document__partition__in=partitions).count()
    return inside == version.document_count


def is_withdrawn(version: SpecialistVersion) -> bool:
    """A document that it was trained on is gone, so nobody may use it any more."""
    return version.documents.count() < version.document_count


def withdrawn_versions(versions: Collection[SpecialistVersion]) -> set[int]:
    """As is_withdrawn, of many with one query."""
    left = SpecialistVersion.objects.filter(pk__in=[version.pk for version in versions]).annotate(left=Count("documents"))
    return set(left.filter(left__lt=F("document_count")).values_list("pk", flat=True))
