"""The gates of conversations and answers: one's own, or 404."""

from __future__ import annotations

from django.db.models import QuerySet
from django.http import Http404

from assistant.models import Answer, Conversation
from ingestion.models import Partition
from ingestion.permissions import AnyUser, readable_partitions


def conversations_of(user: AnyUser) -> QuerySet[Conversation]:
    if not (user.is_authenticated and user.is_active):
        return Conversation.objects.none()
    return Conversation.objects.filter(user=user.pk, is_internal=False)


def get_conversation_for(user: AnyUser, conversation_id: int) -> Conversation:
    conversation = conversations_of(user).filter(pk=conversation_id).first()
    if conversation is None:
        raise Http404
    return conversation


def get_answer_for(user: AnyUser, answer_id: int) -> Answer:
    answer = Answer.objects.filter(conversation__in=conversations_of(user), pk=answer_id).select_related("conversation").first()
    if answer is None:
        raise Http404
    return answer


def searchable_partitions(conversation: Conversation) -> QuerySet[Partition]:
    """What a question of this conversation searches: what its person may read now, within the corpora that were chosen."""
    chosen = conversation.corpora.all() if conversation.is_narrowed else None
    return readable_partitions(conversation.user, corpora=chosen)


def get_shared_conversation(user: AnyUser, token: str) -> Conversation:
    """A conversation that its owner shares by link. Whoever opens it still reads only what they may read."""
    if not (user.is_authenticated and user.is_active):
        raise Http404
    conversation = Conversation.objects.filter(share_token=token, user__is_active=True).first()
    if conversation is None:
        raise Http404
    return conversation
