"""What the person who is to answer sees: the list, and one question with its conversation and what was found for it.

Every text of a document passes the reader's own gate; what the asker may read and this person may not is only counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.contrib.auth.models import User
from django.db.models import Exists, OuterRef, Q, QuerySet

from assistant.escalations.models import Escalation, EscalationMessage
from assistant.escalations.permissions import handled_escalations
from assistant.presentation import PresentedAnswer, place, present_conversation
from ingestion.models import Chunk, Corpus
from ingestion.permissions import AnyUser, managed_corpora, readable_chunks, readable_corpora

PASSAGES_SHOWN = 4
TURNS_SHOWN = 10
_OPEN = Q(state=Escalation.State.OPEN, answer__isnull=False)
_FILTERS = {
    "open": ("Open", _OPEN),
    "answered": ("Answered", Q(state=Escalation.State.ANSWERED)),
    "all": ("All", Q()),
}


@dataclass(frozen=True, slots=True)
class InboxFilter:
    name: str
    label: str
    count: int
    is_on: bool


@dataclass(frozen=True, slots=True)
class FoundPassage:
    document_id: int
    title: str
    place: str
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Found:
    """What was found, as far as the viewer may read it."""

    passages: tuple[FoundPassage, ...]
    hidden: int
    corpora: tuple[str, ...]
    hidden_corpora: int


def open_count(user: AnyUser) -> int:
    return handled_escalations(user).filter(_OPEN).count()


def inbox_filters(user: User, chosen: str) -> list[InboxFilter]:
    rows = handled_escalations(user)
    return [
        InboxFilter(name, label, rows.filter(condition).count(), name == chosen) for name, (label, condition) in _FILTERS.items()
    ]


def inbox(user: User, chosen: str) -> QuerySet[Escalation]:
    """The open ones oldest first, since they wait; the others newest first."""
    _, condition = _FILTERS[chosen]
    replies = EscalationMessage.objects.filter(escalation=OuterRef("pk"), is_reply=True)
    rows = handled_escalations(user).filter(condition).select_related("asker", "corpus").annotate(was_answered=Exists(replies))
    return rows.order_by("updated_at", "pk") if chosen == "open" else rows.order_by("-updated_at", "-pk")


def filter_named(name: str) -> str:
    return name if name in _FILTERS else "open"


def conversation_so_far(escalation: Escalation, viewer: User) -> list[PresentedAnswer]:
    """The turns that were sent, as `viewer` may see them: up to the question, never one after it."""
    if escalation.answer is None:
        return []
    asked = escalation.answer.pk
    turns = present_conversation(escalation.answer.conversation, viewer)
    if not escalation.has_turns:  # how the question was understood may repeat the earlier ones
        return [replace(turn, standalone_question="") for turn in turns if turn.id == asked]
    return [turn for turn in turns if turn.id <= asked][-TURNS_SHOWN:]


def found_for(escalation: Escalation, viewer: User) -> Found:
    ids = [item["passage"] for item in escalation.passages]
    chunks = {chunk.pk: chunk for chunk in readable_chunks(viewer, ids)}
    shown = [_found_passage(chunks[pk]) for pk in ids if pk in chunks]
    names = _corpus_names(escalation.searched, viewer)
    return Found(tuple(shown[:PASSAGES_SHOWN]), len(ids) - len(shown), names, len(escalation.searched) - len(names))


def _found_passage(chunk: Chunk) -> FoundPassage:
    document = chunk.document
    where = place(chunk.page, chunk.heading_path, document.format)
    return FoundPassage(document.pk, str(document), where, chunk.text, chunk.start, chunk.end)


def _corpus_names(ids: Sequence[int], viewer: User) -> tuple[str, ...]:
    known = Corpus.objects.filter(
        Q(pk__in=readable_corpora(viewer).values("pk")) | Q(pk__in=managed_corpora(viewer).values("pk"))
    )
    return tuple(known.filter(pk__in=ids).order_by("name").values_list("name", flat=True))


def corpora_to_pass_on_to(escalation: Escalation, viewer: User) -> QuerySet[Corpus]:
    """Corpora that both the asker and this person may read, so that neither learns of one from the list."""
    corpora = readable_corpora(viewer).exclude(pk=escalation.corpus_id or 0).filter(owner__is_active=True)
    if escalation.asker is None:
        return corpora.none()
    return corpora.filter(pk__in=readable_corpora(escalation.asker).values("pk")).order_by("name").distinct()
