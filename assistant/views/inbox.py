"""The inbox of those who answer questions: the list, one question, the reply, and what becomes of it."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render

from assistant.errors import QuestionError
from assistant.escalations.asker import person_name, presented_messages
from assistant.escalations.errors import EscalationError
from assistant.escalations.examples import make_from_escalation
from assistant.escalations.forms import KeepForm
from assistant.escalations.inbox import (
    conversation_so_far,
    corpora_to_pass_on_to,
    filter_named,
    found_for,
    inbox_filters,
)
from assistant.escalations.inbox import inbox as listed
from assistant.escalations.models import Escalation
from assistant.escalations.permissions import curated_examples, get_handled_escalation_for
from assistant.escalations.services import REPLY_CHARACTERS, make_document, pass_on, reply
from assistant.jobs.classifying import TicketClass, suggest_class
from assistant.jobs.drafts import draft_for, drop_draft, start_draft
from assistant.views.requests import PersonRequest, number_in
from ingestion.permissions import readable_documents
from retrieval.errors import RetrievalError

SHOWN = 200


def inbox(request: PersonRequest) -> HttpResponse:
    chosen = filter_named(request.GET.get("show", ""))
    rows = listed(request.user, chosen)[:SHOWN]
    return render(
        request, "assistant/inbox.html", {"rows": rows, "filters": inbox_filters(request.user, chosen), "chosen": chosen}
    )


def inbox_item(request: PersonRequest, escalation_id: int) -> HttpResponse:
    """A question with all that goes with it; a POST replies. What was typed is on the page again when it was not taken."""
    text = request.POST.get("text", "")
    try:
        handled = get_handled_escalation_for(request.user, escalation_id)
    except Http404:
        if not text.strip():
            raise
        return render(request, "assistant/reply_kept.html", {"text": text}, status=404)
    if request.method != "POST":
        return _page(request, handled)
    known = number_in(request.POST.get("known_version", ""))
    try:
        reply(escalation=handled, author=request.user, text=text, known_version=known)
    except EscalationError as error:
        handled.refresh_from_db()
        return _page(request, handled, text=text, error=error.public_message)
    drop_draft(escalation=handled, author=request.user)
    messages.success(request, f"{person_name(handled.asker)} sees your reply in the conversation.")
    return redirect("assistant:inbox_item", escalation_id=handled.pk)


def draft(request: PersonRequest, escalation_id: int) -> HttpResponse:
    """A POST begins a draft and keeps what is typed; a GET says how far it is, or shows it."""
    handled = get_handled_escalation_for(request.user, escalation_id)
    if request.method != "POST":
        if not request.htmx:
            return redirect("assistant:inbox_item", escalation_id=handled.pk)
        return render(request, "assistant/_reply_draft.html", _draft_context(request, handled))
    typed = request.POST.get("text", "")
    try:
        start_draft(escalation=handled, author=request.user, is_for_both=request.POST.get("scope") != "mine")
    except QuestionError as error:
        return _page(request, handled, text=typed, error=error.public_message)
    return _page(request, handled, text=typed)


def use_draft(request: PersonRequest, escalation_id: int) -> HttpResponse:
    """The draft below what was typed, in the box of the reply; nothing is sent. It is kept until the reply is."""
    handled = get_handled_escalation_for(request.user, escalation_id)
    typed = request.POST.get("text", "").strip()
    made = draft_for(escalation=handled, viewer=request.user)
    return _page(request, handled, text="\n\n".join(filter(None, (typed, made.text if made else ""))), is_draft_used=True)


def _draft_context(request: PersonRequest, handled: Escalation) -> dict[str, object]:
    made = draft_for(escalation=handled, viewer=request.user)
    return {"escalation": handled, "asker": person_name(handled.asker), "draft": made}


def suggest(request: PersonRequest, escalation_id: int) -> HttpResponse:
    """The class that tickets like it have; what is typed stays."""
    handled = get_handled_escalation_for(request.user, escalation_id)
    typed = request.POST.get("text", "")
    try:
        found = suggest_class(escalation=handled, viewer=request.user)
    except RetrievalError as error:
        return _page(request, handled, text=typed, error=error.public_message)
    return _page(request, handled, text=typed, ticket_class=found)


def pass_on_question(request: PersonRequest, escalation_id: int) -> HttpResponse:
    handled = get_handled_escalation_for(request.user, escalation_id)
    slug = request.POST.get("corpus", "")
    corpus = corpora_to_pass_on_to(handled, request.user).filter(slug=slug).first()
    try:
        if slug and corpus is None:
            raise EscalationError("corpus_gone", "Choose one of the corpora in the list.")
        pass_on(escalation=handled, corpus=corpus)
    except EscalationError as error:
        messages.error(request, error.public_message)
        return redirect("assistant:inbox_item", escalation_id=handled.pk)
    messages.success(request, f"The question is passed on to {corpus.name if corpus else 'the administrators'}.")
    return redirect("assistant:inbox")


def keep_document(request: PersonRequest, escalation_id: int) -> HttpResponse:
    """The reply, as the owner wants it read, becomes a document."""
    handled = get_handled_escalation_for(request.user, escalation_id)
    form = KeepForm(request.POST, user=request.user)
    if not form.is_valid():
        return _page(request, handled, form=form, status=422)
    data = form.cleaned_data
    try:
        document = make_document(
            escalation=handled, author=request.user, corpus=data["corpus"], title=data["title"], text=data["text"],
            groups=form.chosen_groups(),
        )  # fmt: skip
    except EscalationError as error:
        form.add_error("text", error.public_message)
        return _page(request, handled, form=form, status=422)
    messages.success(request, f"“{document}” is a document of {document.corpus} now. It is searched as soon as it is indexed.")
    return redirect("assistant:inbox_item", escalation_id=handled.pk)


def keep_example(request: PersonRequest, escalation_id: int) -> HttpResponse:
    handled = get_handled_escalation_for(request.user, escalation_id)
    try:
        example = make_from_escalation(escalation=handled, curator=request.user)
    except EscalationError as error:
        messages.error(request, error.public_message)
        return redirect("assistant:inbox_item", escalation_id=handled.pk)
    if not curated_examples(request.user).filter(pk=example.pk).exists():  # made of a corpus that this person cannot read
        messages.success(request, "The training example is kept for those who read the corpus.")
        return redirect("assistant:inbox_item", escalation_id=handled.pk)
    return redirect("assistant:example", example_id=example.pk)


def _page(
    request: PersonRequest, handled: Escalation, *, text: str = "", error: str = "", form: KeepForm | None = None,
    is_draft_used: bool = False, ticket_class: TicketClass | None = None, status: int = 200,
) -> HttpResponse:  # fmt: skip
    said = presented_messages(handled.messages.select_related("author"))
    document = readable_documents(request.user).filter(pk=handled.document_id or 0).first()
    context = {
        **_draft_context(request, handled),
        "is_draft_used": is_draft_used,
        "said": said,
        "turns": conversation_so_far(handled, request.user),
        "found": found_for(handled, request.user),
        "pass_on_to": corpora_to_pass_on_to(handled, request.user),
        "document": document,
        "is_replied": any(message.is_reply for message in said),
        "keep": form or KeepForm(initial=KeepForm.initial_of(handled), user=request.user),
        "text": text,
        "ticket_class": ticket_class,
        "error": error,
        "limit": REPLY_CHARACTERS,
    }
    return render(request, "assistant/inbox_item.html", context, status=422 if error else status)
