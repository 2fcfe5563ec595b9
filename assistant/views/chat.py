"""Asking: the first page, a conversation's page, and the question itself."""

from __future__ import annotations

from collections.abc import Sequence

from django.conf import settings
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django_htmx.http import HttpResponseClientRedirect, reswap, retarget

from assistant.errors import QuestionError
from assistant.escalations.permissions import own_escalations
from assistant.escalations.services import mark_seen
from assistant.models import Conversation
from assistant.permissions import get_conversation_for
from assistant.presentation import present_answer, present_conversation
from assistant.services import plain_text, start_answer, start_summary
from assistant.suggestions import suggested_questions
from assistant.views.requests import PersonRequest, number_in, refusal_at_composer, turn_url
from ingestion.models import Corpus
from ingestion.permissions import get_document_for, readable_corpora, readable_documents

CONVERSATION_GONE = "This conversation was deleted. Send your question to ask it in a new one."
CORPUS_GONE = "A chosen corpus is no longer there for you. Reload the page and choose again."


def home(request: PersonRequest) -> HttpResponse:
    """A new question; `?corpus=<slug>` chooses a corpus beforehand."""
    chosen = readable_corpora(request.user).filter(slug=plain_text(request.GET.get("corpus", ""))).values_list("pk", flat=True)
    return render(request, "assistant/home.html", _home_context(request, chosen=list(chosen)))


def conversation(request: PersonRequest, conversation_id: int) -> HttpResponse:
    own = get_conversation_for(request.user, conversation_id)
    shown = [row.pk for row in own_escalations(request.user).filter(answer__conversation=own, has_news=True)]
    context = conversation_context(request, own)  # made after: what comes meanwhile is not marked as seen
    mark_seen(escalations=shown)
    return render(request, "assistant/conversation.html", context)


def ask(request: PersonRequest) -> HttpResponse:
    """A question: a further one answers with its turn, a first one with its conversation's page."""
    number = request.POST.get("conversation", "")
    question = request.POST.get("question", "")
    try:
        own = get_conversation_for(request.user, number_in(number)) if number else None
    except Http404:
        return _into_a_new_one(request, question)
    try:
        corpora = _chosen_corpora(request) if own is None else ()
        answer = start_answer(user=request.user, question=question, conversation=own, corpora=corpora)
    except QuestionError as error:
        return _refused(request, own, question, error)
    if request.htmx and own is not None:
        return render(request, "assistant/_turn.html", {"item": present_answer(answer, request.user)})
    return redirect(turn_url(answer))


def summarise(request: PersonRequest, document_id: int) -> HttpResponse:
    """The summary of a document as a turn: of the conversation that shows it, else of a new one."""
    document = get_document_for(request.user, document_id)
    number = request.POST.get("conversation", "")
    own = get_conversation_for(request.user, number_in(number)) if number else None
    try:
        answer = start_summary(user=request.user, document=document, conversation=own)
    except QuestionError as error:
        return _refused(request, own, "", error)
    if request.htmx and own is not None and answer.conversation_id == own.pk:
        return render(request, "assistant/_turn.html", {"item": present_answer(answer, request.user)})
    return HttpResponseClientRedirect(turn_url(answer)) if request.htmx else redirect(turn_url(answer))


def conversation_context(request: PersonRequest, own: Conversation) -> dict[str, object]:
    return {
        "conversation": own,
        "conversation_corpora": list(own.corpora.all()),
        "answers": present_conversation(own, request.user),
        "share_url": share_url(request, own),
        "question_limit": settings.MAX_QUESTION_CHARACTERS,
    }


def share_url(request: PersonRequest, own: Conversation) -> str:
    return request.build_absolute_uri(reverse("assistant:shared_conversation", args=[own.share_token])) if own.share_token else ""


def _home_context(request: PersonRequest, *, chosen: Sequence[int]) -> dict[str, object]:
    has_documents = readable_documents(request.user).filter(revision__gt=0).exists()
    return {
        "has_documents": has_documents,
        "corpora": readable_corpora(request.user) if has_documents else (),
        "chosen": chosen,
        "suggestions": suggested_questions(request.user) if has_documents else (),
        "question_limit": settings.MAX_QUESTION_CHARACTERS,
    }


def _chosen_corpora(request: PersonRequest) -> list[Corpus]:
    """The corpora of the form. One that may not be read (any more) refuses the question: dropping it would widen the search."""
    numbers = {number_in(text) for text in request.POST.getlist("corpora")}
    if not numbers:
        return []
    corpora = list(readable_corpora(request.user).filter(pk__in=numbers))
    if len(corpora) != len(numbers):
        raise QuestionError("corpus_gone", CORPUS_GONE)
    return corpora


def _into_a_new_one(request: PersonRequest, question: str) -> HttpResponse:
    """The composer of a new conversation, with the question in it. What is another's and what was never there look the same."""
    context = {**_home_context(request, chosen=[]), "question": question, "error": CONVERSATION_GONE}
    if request.htmx:
        composer = render(request, "assistant/_composer.html", context, status=404)
        return reswap(retarget(composer, "#composer"), "outerHTML")
    return render(request, "assistant/home.html", context, status=404)


def _refused(request: PersonRequest, own: Conversation | None, question: str, error: QuestionError) -> HttpResponse:
    """The sentence at the composer, with the question still in it."""
    if request.htmx:
        return refusal_at_composer(error)
    template = "assistant/conversation.html" if own else "assistant/home.html"
    context = conversation_context(request, own) if own else _home_context(request, chosen=[])
    return render(request, template, {**context, "question": question, "error": error.public_message}, status=422)
