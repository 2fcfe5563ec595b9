"""The gates of conversations and answers: one's own, or 404."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import Http404

from assistant.models import Answer, Conversation, Door
from ingestion.models import Chunk, Corpus, Partition
from ingestion.permissions import AnyUser, live_chunks, readable_partitions


def conversations_of(user: AnyUser) -> QuerySet[Conversation]:
    if not (user.is_authenticated and user.is_active):
        return Conversation.objects.none()
    return Conversation.objects.filter(user=user.pk, is_internal=False, is_common=False)


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
    """What a question of this conversation searches: what its person (or each of its readers) may read now, within the corpora
    that were chosen; in Slack, only those that may be answered there."""
    chosen = conversation.corpora.all() if conversation.is_narrowed else None
    readers = conversation.readers.all() if conversation.is_common else User.objects.filter(pk=conversation.user_id)
    partitions = common_partitions(list(readers), corpora=chosen)
    return partitions.filter(corpus__is_for_slack=True) if conversation.door == Door.SLACK else partitions


def searchable_chunks(conversation: Conversation, ids: Iterable[int]) -> QuerySet[Chunk]:
    """The second gate of an answer: of these ids, the live chunks of what a question of this conversation searches now."""
    return live_chunks(searchable_partitions(conversation), ids)


def common_partitions(people: Sequence[AnyUser], *, corpora: Iterable[Corpus] | None = None) -> QuerySet[Partition]:
    """What every one of these people may read; of nobody, nothing."""
    if not people:
        return Partition.objects.none()
    first, *others = people
    partitions = readable_partitions(first, corpora=corpora)
    if not others:
        return partitions
    common = set(partitions.values_list("pk", flat=True))
    for person in others:  # one query each: a hundred subqueries in one statement are slower to plan than to run
        common &= set(readable_partitions(person).filter(pk__in=common).values_list("pk", flat=True)) if common else set()
    return Partition.objects.filter(pk__in=common)


def get_shared_conversation(user: AnyUser, token: str) -> Conversation:
    """A conversation that its owner shares by link. Whoever opens it still reads only what they may read."""
    if not (user.is_authenticated and user.is_active):
        raise Http404
    conversation = Conversation.objects.filter(share_token=token, user__is_active=True).first()
    if conversation is None:
        raise Http404
    return conversation
