"""The asker's side of a question that goes to a person: sending it, its reply, and the list of one's own."""

from __future__ import annotations

from dataclasses import replace

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django_htmx.http import reswap, retarget

from assistant.escalations import services
from assistant.escalations.asker import ask_form, asked_people
from assistant.escalations.errors import EscalationError
from assistant.escalations.models import Escalation
from assistant.escalations.permissions import get_own_escalation_for
from assistant.escalations.services import mark_seen, take_stand
from assistant.models import Answer
from assistant.permissions import get_answer_for
from assistant.presentation import present_answer
from assistant.views.requests import PersonRequest, turn_url


def ask_person(request: PersonRequest, answer_id: int) -> HttpResponse:
    """The form that says where the question goes and what goes with it; sent, the answer with its new state."""
    own = get_answer_for(request.user, answer_id)
    if request.method != "POST":
        return _form(request, own)
    note, has_turns = request.POST.get("note", ""), "turns" in request.POST  # no tick: not offered, or not wanted
    try:
        services.ask_person(answer=own, asker=request.user, note=note, has_turns=has_turns)
    except EscalationError as error:
        return _form(request, own, note=note, has_turns=has_turns, error=error.public_message)
    return _answer(request, own)


def escalation(request: PersonRequest, answer_id: int) -> HttpResponse:
    """What became of it: asked for by the page that waits for a reply. It may wait in a tab that nobody looks at, so a reply
    counts as seen only when its conversation is opened."""
    own = get_own_escalation_for(request.user, answer_id)
    if not request.htmx and _is_elsewhere(own):
        return _page(request, own)
    if not request.htmx:
        return redirect(turn_url(_answer_of(own)))
    item = present_answer(_answer_of(own), request.user)
    return render(request, "assistant/_asked.html", {"item": item, "is_polled": True})


def take_stand_on_reply(request: PersonRequest, answer_id: int) -> HttpResponse:
    own = get_own_escalation_for(request.user, answer_id)
    try:
        take_stand(escalation=own, is_helpful=request.POST.get("helpful") == "1", text=request.POST.get("text", ""))
    except EscalationError as error:
        messages.error(request, error.public_message)
        return redirect(_url(own))
    if _is_elsewhere(own):
        return _page(request, own) if request.htmx else redirect(_url(own))
    return _answer(request, _answer_of(own))


def _is_elsewhere(own: Escalation) -> bool:
    """Asked in a place whose conversation no page shows; what the asker and the person say has a page of its own."""
    return _answer_of(own).conversation.is_common


def _url(own: Escalation) -> str:
    answer = _answer_of(own)
    return reverse("assistant:escalation", args=[answer.pk]) if _is_elsewhere(own) else turn_url(answer)


def _page(request: PersonRequest, own: Escalation) -> HttpResponse:
    """Opened, a reply counts as seen."""
    answer = _answer_of(own)
    context = {"item": present_answer(answer, request.user), "door": answer.conversation.get_door_display()}
    mark_seen(escalations=[own.pk])
    return render(request, f"assistant/{'_' if request.htmx else ''}asked_elsewhere.html", context)


def replies(request: PersonRequest) -> HttpResponse:
    return render(request, "assistant/replies.html", {"asked": asked_people(request.user)})


def _answer_of(own: Escalation) -> Answer:
    assert own.answer is not None  # the gate gives only those whose conversation is there
    return own.answer


def _answer(request: PersonRequest, own: Answer) -> HttpResponse:
    if not request.htmx:
        return redirect(turn_url(own))
    return render(request, "assistant/_answer.html", {"item": present_answer(own, request.user)})


def _form(
    request: PersonRequest, own: Answer, *, note: str = "", has_turns: bool | None = None, error: str = ""
) -> HttpResponse:  # fmt: skip
    """With what was typed and ticked, where it was sent once."""
    item = present_answer(own, request.user)
    if item.escalation is not None:
        return redirect(turn_url(own)) if not request.htmx else render(request, "assistant/_asked.html", {"item": item})
    form = ask_form(own, request.user)
    form = form if has_turns is None else replace(form, is_ticked=has_turns)
    context = {"item": item, "form": form, "note": note, "error": error}
    template = "assistant/_ask_person.html" if request.htmx else "assistant/ask_person.html"
    response = render(request, template, context, status=422 if error else 200)
    return reswap(retarget(response, f"#asked-{own.pk}"), "innerHTML")
