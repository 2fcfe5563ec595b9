"""The gates of what went to a person: the asker's own, and those that one is to answer. Anything else is a 404.

A corpus's owner answers what went to the corpus. What went to no corpus, to one that was deleted, or to one whose owner is no
longer active, is the administrators' to answer. Training examples are for those who manage their corpus and may read it.
"""

from __future__ import annotations

from django.db.models import Q, QuerySet
from django.http import Http404

from assistant.escalations.models import Escalation
from ingestion.models import Corpus
from ingestion.permissions import AnyUser, is_administrator, managed_corpora, readable_corpora, readable_documents
from specialists.models import TrainingExample


def own_escalations(user: AnyUser) -> QuerySet[Escalation]:
    """What this person asked, in conversations that are still there."""
    if not (user.is_authenticated and user.is_active):
        return Escalation.objects.none()
    return Escalation.objects.filter(asker=user.pk, answer__isnull=False)


def get_own_escalation_for(user: AnyUser, answer_id: int) -> Escalation:
    escalation = own_escalations(user).filter(answer=answer_id).select_related("answer__conversation").first()
    if escalation is None:
        raise Http404
    return escalation


def handled_escalations(user: AnyUser) -> QuerySet[Escalation]:
    """What this person is to answer, and what they or those before them in the same place have answered."""
    if not (user.is_authenticated and user.is_active):
        return Escalation.objects.none()
    mine = Q(corpus__owner=user.pk)
    if is_administrator(user):
        mine |= Q(corpus__isnull=True) | Q(corpus__owner__is_active=False)
    return Escalation.objects.filter(mine)


def get_handled_escalation_for(user: AnyUser, escalation_id: int) -> Escalation:
    escalation = handled_escalations(user).select_related("asker", "corpus__owner", "document").filter(pk=escalation_id).first()
    if escalation is None:
        raise Http404
    return escalation


def curated_corpora(user: AnyUser) -> QuerySet[Corpus]:
    """The corpora whose examples this person may see and change: managed and readable, since an example copies their texts."""
    return managed_corpora(user).filter(pk__in=readable_corpora(user).values("pk"))


def curated_examples(user: AnyUser) -> QuerySet[TrainingExample]:
    """Never one whose document is deleted or, for this person, hidden."""
    placed = Q(corpus_id__in=curated_corpora(user).values("pk"))
    if is_administrator(user):
        placed |= Q(corpus_id__isnull=True)
    document = Q(document_id__isnull=True) | Q(document_id__in=readable_documents(user).values("pk"))
    return TrainingExample.objects.filter(placed & document, is_removed=False)


def get_curated_example_for(user: AnyUser, example_id: int) -> TrainingExample:
    example = curated_examples(user).filter(pk=example_id).first()
    if example is None:
        raise Http404
    return example
