"""What people do in conversations. Each function is one whole change."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from assistant import streams
from assistant.api.models import ApiToken
from assistant.errors import QuestionError
from assistant.leases import this_process
from assistant.limits.using import take_question
from assistant.models import FINAL_STATES, SEARCH_ANYWAY, Answer, AnswerState, Conversation, Door, Feedback
from assistant.permissions import conversations_of
from ingestion.models import Corpus, Document
from specialists.router.crisis import speaks_of_self_harm

MAX_WAITING = 1000
MAX_OPEN_PER_PERSON = 5
TITLE_CHARACTERS = 80
PERSONAL_TITLE = "A personal matter"


@dataclass(frozen=True, slots=True)
class Manner:
    """How a question is asked. `is_internal`: by a run or a command, to be shown nowhere; `search_anyway`: the documents are
    searched, whatever the router thinks of it; `tier`: the one model that is wanted; `token`: by which a program asks;
    `summary_of`: the document of which a summary is wanted."""

    door: str = Door.WEB
    is_internal: bool = False
    search_anyway: bool = False
    tier: str = ""
    token: ApiToken | None = None
    summary_of: Document | None = None


PLAINLY = Manner()


def check_question(text: str) -> str:
    """The question as it is kept, or QuestionError with what to do."""
    if plain_text(text) != text:
        raise QuestionError("not_text", "The question holds characters that are not text. Type it, or paste it as plain text.")
    question = " ".join(text.split())
    if not any(char.isalnum() for char in question):
        if question:
            raise QuestionError("no_words", "There are no words in this question: ask it in words.")
        raise QuestionError("empty", "Type a question first.")
    limit = settings.MAX_QUESTION_CHARACTERS
    if len(question) > limit:
        raise QuestionError("too_long", f"The question has {len(question):,} characters; {limit:,} are allowed. Shorten it.")
    return question


def plain_text(text: str) -> str:
    """Without characters that are not text, which databases and pages refuse."""
    return "".join(char for char in text if char in "\t\r\n" or not (ord(char) < 32 or 0xD800 <= ord(char) <= 0xDFFF))


def create_answer(
    *,
    user: User,
    question: str,
    conversation: Conversation | None = None,
    corpora: Sequence[Corpus] = (),
    understood_as: str = "",
    manner: Manner = PLAINLY,
    written_by: str = "",
) -> Answer:
    """Store the question, in a new conversation when none is given. The answer is made in the background or at once;
    `written_by`: the process that is to make it and renews its lease until it is done."""
    text = check_question(question)
    with transaction.atomic():
        if conversation is None:
            conversation = Conversation.objects.create(
                user=user, title=_title(text), is_internal=manner.is_internal, is_narrowed=bool(corpora), door=manner.door
            )  # fmt: skip
            if corpora:
                conversation.corpora.set(corpora)
        else:
            Conversation.objects.filter(pk=conversation.pk).update(updated_at=timezone.now())
        return Answer.objects.create(
            conversation=conversation,
            question=text,
            asked_by=user if user.pk != conversation.user_id else None,
            standalone_question=understood_as,
            tier_wanted=manner.tier,
            api_token=manner.token,
            summary_of=manner.summary_of,
            refusal={**({SEARCH_ANYWAY: True} if manner.search_anyway else {}), **_distress(text)},
            lease_until=timezone.now() + streams.LEASE,
            written_by=written_by,
        )


def start_answer(
    *,
    user: User,
    question: str,
    conversation: Conversation | None = None,
    corpora: Sequence[Corpus] = (),
    understood_as: str = "",
    manner: Manner = PLAINLY,
) -> Answer:
    """Store the question and begin to answer it in the background."""
    streams.expire_lost_answers()
    if streams.waiting_answers() >= MAX_WAITING:
        raise QuestionError("busy", "Too many questions are waiting at the moment. Ask again in a minute.")
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=user.pk)  # one after another, so that no two are both the last
        unfinished = Answer.objects.filter(conversation__in=conversations_of(user)).exclude(state__in=FINAL_STATES)
        if unfinished.count() >= MAX_OPEN_PER_PERSON:
            raise QuestionError("too_many", "Several of your questions are still being answered. Wait for one of them.")
        take_question(user=user, token=manner.token)
        row = create_answer(
            user=user, question=question, conversation=conversation, corpora=corpora, understood_as=understood_as, manner=manner,
            written_by=this_process(),
        )  # fmt: skip
    transaction.on_commit(lambda: streams.run_in_background(row))
    return row


def start_summary(*, user: User, document: Document, conversation: Conversation | None = None) -> Answer:
    """Ask for the summary of a document. In a conversation that searches other corpora it is a conversation of its own."""
    if conversation is not None and conversation.is_narrowed and not conversation.corpora.filter(pk=document.corpus_id).exists():
        conversation = None
    question = f"Summarise “{plain_text(str(document))}”"
    return start_answer(
        user=user, question=question, conversation=conversation, understood_as=question, manner=Manner(summary_of=document)
    )


def stop_answer(*, answer: Answer) -> bool:
    """Stop an answer that is being made; one that is finished stays as it is."""
    return bool(
        Answer.objects.filter(pk=answer.pk, state__in=[AnswerState.PENDING, AnswerState.ANSWERING]).update(
            state=AnswerState.STOPPED, finished_at=timezone.now(), lease_until=None
        )
    )


def retry_answer(*, answer: Answer, search_anyway: bool = False) -> Answer:
    """Ask the same question again at the end of its conversation, understood as it was the first time. `search_anyway`: the
    documents are searched, whatever the router thinks of the question."""
    conversation = answer.conversation
    return start_answer(
        user=conversation.user, question=answer.question, conversation=conversation, understood_as=answer.standalone_question,
        manner=Manner(search_anyway=search_anyway, tier=answer.tier_wanted, summary_of=answer.summary_of),
    )  # fmt: skip


def _distress(question: str) -> dict[str, bool]:
    """Known before anything can fail, so that help is named whatever becomes of the answer."""
    return {"is_crisis": True} if speaks_of_self_harm(question) else {}


def _title(question: str) -> str:
    """In the list of conversations, where others may look over a shoulder."""
    if speaks_of_self_harm(question):
        return PERSONAL_TITLE
    if len(question) <= TITLE_CHARACTERS:
        return question
    return question[:TITLE_CHARACTERS].rsplit(" ", 1)[0].rstrip(" ,;:") + "…"


def rename_conversation(*, conversation: Conversation, title: str) -> None:
    title = " ".join(plain_text(title).split())[:200]
    if title:
        Conversation.objects.filter(pk=conversation.pk).update(title=title)


def delete_conversation(*, conversation: Conversation) -> None:
    conversation.delete()


def share_conversation(*, conversation: Conversation) -> str:
    """The token of the conversation's link, made on the first call. Whoever opens it reads what they may read."""
    if not conversation.share_token:
        conversation.share_token = secrets.token_urlsafe(32)
        conversation.save(update_fields=["share_token"])
    return conversation.share_token


def unshare_conversation(*, conversation: Conversation) -> None:
    conversation.share_token = None
    conversation.save(update_fields=["share_token"])


def record_feedback(*, answer: Answer, user: User, verdict: str, reason: str = "", comment: str = "") -> Feedback:
    """Keep one opinion per answer; the newest counts. Unknown verdicts and reasons are refused."""
    if verdict not in Feedback.Verdict.values or reason not in Feedback.Reason.values:
        raise QuestionError("unknown_feedback", "Choose one of the listed answers.")
    said = {"user": user, "verdict": verdict, "reason": reason, "comment": plain_text(comment).strip()[:2000]}
    return Feedback.objects.update_or_create(answer=answer, defaults=said)[0]
