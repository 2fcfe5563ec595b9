"""What the asker sees of a question that went to a person: beside its answer, in the side bar, and in a list of their own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from django.db.models import Exists, OuterRef, QuerySet

from assistant.escalations.models import Escalation, EscalationMessage
from assistant.escalations.nearest import nearest_corpus
from assistant.escalations.permissions import own_escalations
from assistant.escalations.services import NOTE_CHARACTERS, has_question_before
from assistant.models import Answer
from ingestion.models import Corpus, Document
from ingestion.permissions import AnyUser, readable_corpora, readable_documents
from specialists.router.types import HUMAN

ADMINISTRATORS = "the administrators"
_MARKED = 100


@dataclass(frozen=True, slots=True)
class PresentedMessage:
    author: str
    is_reply: bool
    text: str
    at: datetime


@dataclass(frozen=True, slots=True)
class PresentedEscalation:
    """`to` names whom the question went to; the document's title is there only while the viewer may read it."""

    id: int
    answer_id: int
    question: str
    to: str
    sent: datetime
    is_open: bool
    is_helpful: bool | None
    has_news: bool
    messages: tuple[PresentedMessage, ...]
    document_id: int | None
    document_title: str
    conversation_id: int = 0
    has_turns: bool = False  # the questions before it went along
    is_elsewhere: bool = False  # asked in a common conversation, which no page shows

    @property
    def is_answered(self) -> bool:
        return not self.is_open


def escalations_shown(answers: Sequence[Answer], viewer: AnyUser) -> dict[int, PresentedEscalation]:
    """By answer; those of the viewer only, so that a shared conversation shows none."""
    if not answers:
        return {}
    rows = own_escalations(viewer).filter(answer__in=[answer.pk for answer in answers])
    return {shown.answer_id: shown for shown in _presented(rows, viewer)}


def asked_people(user: User) -> list[PresentedEscalation]:
    """All that this person asked of people, the newest first."""
    return _presented(own_escalations(user), user)


def addressee(corpus: Corpus | None) -> str:
    if corpus is None or not corpus.owner.is_active:
        return ADMINISTRATORS
    return f"{person_name(corpus.owner)} ({corpus.name})"


def person_name(person: User | None) -> str:
    return (person.get_full_name() or person.get_username()) if person else "Someone who has left"


@dataclass(frozen=True, slots=True)
class AskForm:
    """What the form says before anything is sent: to whom, and how many earlier questions may go along, if their box `is_ticked`.
    `is_note_needed`: nothing else would say what it is about."""

    to: str
    earlier: int
    is_ticked: bool
    is_note_needed: bool
    note_limit: int = NOTE_CHARACTERS


def ask_form(answer: Answer, asker: User) -> AskForm:
    """The box is not ticked where an earlier question is a matter of which nobody was to be told."""
    earlier = Answer.objects.filter(conversation=answer.conversation_id, pk__lt=answer.pk)
    turns = list(earlier.values_list("route", "refusal", "escalation"))
    is_private = any(
        refusal.get("is_crisis") or (route == HUMAN and not refusal.get("is_wish") and sent is None)
        for route, refusal, sent in turns
    )
    is_note_needed = bool(answer.refusal.get("is_wish")) and not (turns and has_question_before(answer))
    return AskForm(addressee(nearest_corpus(answer, asker)), len(turns), not is_private, is_note_needed)


def wish_form(answer: Answer, viewer: User) -> AskForm | None:
    """Of one's own wish for a person, which nobody has been told yet."""
    is_own = answer.conversation.user_id == viewer.pk and not answer.conversation.is_common
    return ask_form(answer, viewer) if is_own and answer.refusal.get("is_wish") else None


@dataclass(frozen=True, slots=True)
class WaitingReplies:
    """`conversations` have a reply that the person has not seen."""

    is_shown: bool  # whether the person has asked anyone at all
    conversations: frozenset[int]


def waiting_replies(user: AnyUser) -> WaitingReplies:
    rows = list(own_escalations(user).order_by("-has_news").values_list("has_news", "answer__conversation")[:_MARKED])
    return WaitingReplies(bool(rows), frozenset(conversation for has_news, conversation in rows if has_news))


def _presented(rows: QuerySet[Escalation], viewer: AnyUser) -> list[PresentedEscalation]:
    earlier = Answer.objects.filter(conversation=OuterRef("answer__conversation"), pk__lt=OuterRef("answer"))
    rows = rows.select_related("corpus__owner", "document", "answer__conversation").annotate(is_later=Exists(earlier))
    listed = list(rows.prefetch_related("messages__author"))
    if not listed:
        return []
    readable = readable_documents(viewer).filter(pk__in=[row.document_id for row in listed if row.document_id])
    documents = {document.pk: document for document in readable}
    corpora = set(readable_corpora(viewer).filter(pk__in=[row.corpus_id for row in listed]).values_list("pk", flat=True))
    return [_present_one(row, documents, corpora, has_turns=row.has_turns and row.is_later) for row in listed]


def _present_one(
    row: Escalation, documents: dict[int, Document], corpora: set[int], *, has_turns: bool
) -> PresentedEscalation:  # fmt: skip
    document = documents.get(row.document_id or 0)
    is_known = row.corpus is None or row.corpus.pk in corpora
    return PresentedEscalation(
        id=row.pk,
        answer_id=row.answer_id or 0,
        question=row.question,
        to=addressee(row.corpus) if is_known else "the owner of a corpus that you may not read any more",
        sent=row.created_at,
        is_open=row.state == Escalation.State.OPEN,
        is_helpful=row.is_helpful,
        has_news=row.has_news,
        messages=presented_messages(row.messages.all()),
        document_id=document.pk if document else None,
        document_title=str(document) if document else "",
        conversation_id=row.answer.conversation_id if row.answer else 0,
        has_turns=has_turns,
        is_elsewhere=bool(row.answer and row.answer.conversation.is_common),
    )


def presented_messages(messages: Iterable[EscalationMessage]) -> tuple[PresentedMessage, ...]:
    return tuple(
        PresentedMessage(person_name(message.author), message.is_reply, message.text, message.created_at) for message in messages
    )
