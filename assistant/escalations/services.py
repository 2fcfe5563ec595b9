"""What asker and owner do with a question that goes to a person. Each function is one whole change, and loses nothing typed."""

from __future__ import annotations

import io
from datetime import timedelta

from django.contrib.auth.models import Group, User
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.text import slugify

from assistant.escalations.errors import EscalationError
from assistant.escalations.models import Escalation, EscalationMessage
from assistant.escalations.nearest import nearest_corpus
from assistant.escalations.permissions import own_escalations
from assistant.models import Answer, AnswerState, Feedback
from assistant.permissions import searchable_partitions
from ingestion.models import Corpus, Document
from ingestion.services import add_document
from specialists.router.types import HUMAN, SMALLTALK

MAX_OPEN_PER_PERSON = 10
MAX_PER_DAY = 30
NOTE_CHARACTERS = 2_000
REPLY_CHARACTERS = 10_000
_STATE_REASONS = {AnswerState.ABSTAINED: Escalation.Reason.ABSTAINED, AnswerState.FAILED: Escalation.Reason.FAILED}


def reason_for(answer: Answer) -> str:
    """The reason of one who asks for a person, by what became of the answer and what the asker said of it."""
    if answer.route == HUMAN:
        return Escalation.Reason.WISHED
    if answer.state != AnswerState.FAILED and _is_not_helpful(answer):
        return Escalation.Reason.ASKED
    return _STATE_REASONS.get(AnswerState(answer.state), Escalation.Reason.ASKED)


def _is_not_helpful(answer: Answer) -> bool:
    return Feedback.objects.filter(answer=answer, verdict=Feedback.Verdict.NOT_HELPFUL).exists()


def has_question_before(answer: Answer) -> bool:
    """Whether the turns before say what a wish for a person is about."""
    earlier = Answer.objects.filter(conversation=answer.conversation_id, pk__lt=answer.pk).exclude(route=SMALLTALK)
    return any(not refusal.get("is_wish") for refusal in earlier.values_list("refusal", flat=True))


def ask_person(*, answer: Answer, asker: User, note: str = "", has_turns: bool = False) -> Escalation:
    """The asker's own click; `has_turns` only where the asker was offered to send the earlier questions as well. Of a mere wish
    for a person the note is the question, since nobody could answer the wish, unless the questions before it go along."""
    if not answer.refusal.get("is_wish"):
        return escalate(answer=answer, asker=asker, note=note, reason=reason_for(answer), has_turns=has_turns)
    question = _checked(note, NOTE_CHARACTERS)
    if not question and not (has_turns and has_question_before(answer)):
        raise EscalationError("no_question", "Say what it is about, so that the right person can answer.")
    return escalate(answer=answer, asker=asker, question=question, reason=reason_for(answer), has_turns=has_turns)


def escalate(
    *, answer: Answer, asker: User, question: str = "", note: str = "", reason: str, why: str = "", has_turns: bool = False
) -> Escalation:  # fmt: skip
    """Send the answer's question to the owner of the nearest corpus, once: a second call gives the first one's escalation.
    `question` replaces the answer's own.

    `reason` is one of Escalation.Reason, `why` a sentence with the figures (a router's, for example; else made here);
    `has_turns` sends the conversation's earlier questions along, and how the question was understood, which repeats them: only
    where the asker was offered it.
    Raises EscalationError when the answer is still being made and when too many questions of the asker wait.
    """
    if reason not in Escalation.Reason.values:
        raise EscalationError("unknown_reason", "A question goes to a person for one of the known reasons.")
    if not answer.is_final and reason not in (Escalation.Reason.ROUTED, Escalation.Reason.WISHED):
        raise EscalationError("unfinished", "This question is still being answered. Wait until it is, then ask a person.")
    text = _checked(note, NOTE_CHARACTERS)
    existing = Escalation.objects.filter(answer=answer).first()
    if existing is not None:
        return existing
    _check_rate(asker)
    values = {
        "asker": asker, "corpus": nearest_corpus(answer, asker), "question": question or answer.question,
        "standalone_question": answer.standalone_question if has_turns and not question else "",
        "reason": reason, "why": (why or _why(answer))[:500],
        "has_turns": has_turns, "searched": _searched(answer), "passages": answer.passages,
    }  # fmt: skip
    with transaction.atomic():
        escalation, is_new = Escalation.objects.get_or_create(answer=answer, defaults=values)
        if is_new and text:
            EscalationMessage.objects.create(escalation=escalation, author=asker, is_reply=False, text=text)
    return escalation


def _check_rate(asker: User) -> None:
    if own_escalations(asker).filter(state=Escalation.State.OPEN).count() >= MAX_OPEN_PER_PERSON:
        raise EscalationError(
            "too_many_open", f"{MAX_OPEN_PER_PERSON} of your questions wait for a person. Wait for a reply to one of them first."
        )
    if Escalation.objects.filter(asker=asker, created_at__gt=timezone.now() - timedelta(days=1)).count() >= MAX_PER_DAY:
        raise EscalationError("too_many_today", f"You sent {MAX_PER_DAY} questions to people today. Send this one tomorrow.")


def _why(answer: Answer) -> str:
    if answer.route == HUMAN:
        return "Nothing was searched."
    said = "The asker marked the answer as not helpful. " if _is_not_helpful(answer) else ""
    return said + _why_by_state(answer)


def _why_by_state(answer: Answer) -> str:
    match answer.state:
        case AnswerState.ABSTAINED if not answer.passages:
            return "The search found no passage that came close."
        case AnswerState.ABSTAINED if answer.confidence is not None:
            found = len(answer.passages)
            return f"None of the {found} passages found was sure enough to answer it; the best reached {answer.confidence:.2f}."
        case AnswerState.ABSTAINED:
            return "None of the passages found answers it."
        case AnswerState.FAILED:
            return answer.error_message
        case AnswerState.ANSWERED:
            return "It was answered from the documents, and the asker needs more than that."
    return ""


def _searched(answer: Answer) -> list[int]:
    """The corpora that were searched: none for what went to a person at once."""
    if not answer.corpora_searched:
        return []
    return sorted(set(searchable_partitions(answer.conversation).values_list("corpus", flat=True)))


def reply(*, escalation: Escalation, author: User, text: str, known_version: int) -> EscalationMessage:
    """Answer the asker. `known_version` is the version that the author saw.

    Raises EscalationError when somebody wrote meanwhile (the author should read that first) or the asker withdrew it.
    The same text sent twice is one reply.
    """
    words = _checked(text, REPLY_CHARACTERS)
    if not words:
        raise EscalationError("empty", "Type the answer first.")
    with transaction.atomic():
        current = Escalation.objects.select_for_update().get(pk=escalation.pk)
        if current.is_withdrawn:
            raise EscalationError("withdrawn", "The asker deleted this question meanwhile, so nobody would see the reply.")
        if current.version != known_version:
            last = current.messages.last()
            if last is not None and last.is_reply and last.author_id == author.pk and last.text == words:
                return last
            raise EscalationError("answered_meanwhile", _written_meanwhile(last))
        message = EscalationMessage.objects.create(escalation=current, author=author, is_reply=True, text=words)
        _change(current, state=Escalation.State.ANSWERED, has_news=True, is_helpful=None)
    return message


def _written_meanwhile(last: EscalationMessage | None) -> str:
    name = (last.author.get_full_name() or last.author.get_username()) if last and last.author else "Somebody"
    return f"{name} wrote while you were typing. Read it above; your text is kept here, and you can still send it."


def _change(escalation: Escalation, **values: object) -> None:
    """Raise the version with the change, so that whoever has not seen it is told."""
    Escalation.objects.filter(pk=escalation.pk).update(version=F("version") + 1, updated_at=timezone.now(), **values)
    escalation.refresh_from_db()


def take_stand(*, escalation: Escalation, is_helpful: bool, text: str = "") -> None:
    """The asker says whether the reply helped. “Not yet” opens the question again, with what is missing."""
    words = _checked(text, NOTE_CHARACTERS)
    with transaction.atomic():
        current = Escalation.objects.select_for_update().get(pk=escalation.pk)
        if current.state != Escalation.State.ANSWERED:
            return
        if is_helpful:
            Escalation.objects.filter(pk=current.pk).update(is_helpful=True, has_news=False)
            return
        if words and current.asker is not None:
            EscalationMessage.objects.create(escalation=current, author=current.asker, is_reply=False, text=words)
        _change(current, state=Escalation.State.OPEN, is_helpful=False, has_news=False)


def mark_seen(*, escalations: list[int]) -> None:
    Escalation.objects.filter(pk__in=escalations, has_news=True).update(has_news=False)


def pass_on(*, escalation: Escalation, corpus: Corpus | None) -> None:
    """Give an open question to another corpus's owner; None: to the administrators."""
    changed = Escalation.objects.filter(pk=escalation.pk, state=Escalation.State.OPEN, answer__isnull=False).update(
        corpus=corpus, version=F("version") + 1, updated_at=timezone.now()
    )
    if not changed:
        raise EscalationError("not_open", "This question is answered already, or withdrawn. It cannot be passed on.")


def make_document(
    *, escalation: Escalation, author: User, corpus: Corpus, title: str, text: str, groups: list[Group] | None
) -> Document:
    """Keep the answer as a reviewed document, which is searched like every other. Done again, it replaces the document."""
    heading, body = " ".join(_checked(title, 300).split()), _checked(text, REPLY_CHARACTERS)
    if not heading or not body:
        raise EscalationError("empty", "A document needs a title and a text.")
    name = f"answers/{slugify(heading)[:60] or 'answer'}-{escalation.pk}.md"
    if escalation.document is not None and escalation.document.corpus_id == corpus.pk:
        name = escalation.document.source_name
    content = io.BytesIO(f"# {heading}\n\n{body}\n".encode())
    added = add_document(
        corpus=corpus, source_name=name, content=content, uploaded_by=author, groups=groups, format="md", title=heading
    )
    if added.document is None:
        raise EscalationError("not_stored", added.message)
    Escalation.objects.filter(pk=escalation.pk).update(document=added.document)
    return added.document


def _checked(text: str, limit: int) -> str:
    """The text as it is kept: lines ended alike, without control characters."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    kept = "".join(char for char in lines if char in "\n\t" or (ord(char) >= 32 and not 0xD800 <= ord(char) <= 0xDFFF)).strip()
    if len(kept) > limit:
        raise EscalationError("too_long", f"The text has {len(kept):,} characters; {limit:,} are allowed. Shorten it.")
    return kept
