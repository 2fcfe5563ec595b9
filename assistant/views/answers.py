"""One answer: its fragment and stream, what a person does with it, and the document behind a citation."""

from __future__ import annotations

from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.middleware.csrf import get_token
from django.shortcuts import redirect, render
from django.urls import reverse

from assistant.errors import QuestionError
from assistant.models import Answer, Citation, Feedback
from assistant.permissions import get_answer_for
from assistant.presentation import place, present_answer
from assistant.services import record_feedback, retry_answer, stop_answer
from assistant.sse import answer_frames
from assistant.views.chat import conversation_context
from assistant.views.requests import PersonRequest, refusal_at_composer, turn_url
from ingestion.connections import release_connection
from ingestion.models import Document
from ingestion.permissions import readable_documents
from ingestion.reading import EvidenceLink, document_panel_context
from ingestion.versions import newest_version

THANKS = "Thank you. Your feedback is kept with the answer."


def answer(request: PersonRequest, answer_id: int) -> HttpResponse:
    own = get_answer_for(request.user, answer_id)
    return _fragment(request, own)


async def stream(request: PersonRequest, answer_id: int) -> StreamingHttpResponse:
    """The answer as it is made. Closing it loses nothing: the answer is finished and kept all the same."""
    user = request.user  # whom the access table has loaded
    await sync_to_async(_pass_gate)(user, answer_id)
    frames = answer_frames(answer_id, user, get_token(request))
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingHttpResponse(frames, content_type="text/event-stream", headers=headers)


def stop(request: PersonRequest, answer_id: int) -> HttpResponse:
    own = get_answer_for(request.user, answer_id)
    stop_answer(answer=own)
    return _fragment(request, own)


def retry(request: PersonRequest, answer_id: int) -> HttpResponse:
    own = get_answer_for(request.user, answer_id)
    try:
        again = retry_answer(answer=own, search_anyway="anyway" in request.POST)
    except QuestionError as error:
        return _refused(request, own, error)
    if request.htmx:
        return render(request, "assistant/_turn.html", {"item": present_answer(again, request.user)})
    return redirect(turn_url(again))


def feedback(request: PersonRequest, answer_id: int) -> HttpResponse:
    """Helpful, or not helpful; the latter may be followed by a reason."""
    own = get_answer_for(request.user, answer_id)
    fields = {name: request.POST.get(name, "") for name in ("verdict", "reason", "comment")}
    try:
        opinion = record_feedback(answer=own, user=request.user, **fields)
    except QuestionError as error:
        return HttpResponse(error.public_message, content_type="text/plain; charset=utf-8", status=400)
    if not request.htmx:
        return redirect(turn_url(own))
    asks_why = opinion.verdict == Feedback.Verdict.NOT_HELPFUL and "explained" not in request.POST
    reasons = [choice for choice in Feedback.Reason.choices if choice[0]] if asks_why else []
    context = {"answer_id": own.pk, "verdict": opinion.verdict, "reasons": reasons, "thanks": THANKS}
    return render(request, "assistant/_feedback.html", context)


def citation(request: PersonRequest, answer_id: int, number: int) -> HttpResponse:
    """The cited document, opened at the quoted words: beside the answer for htmx, else within the conversation's page. One that
    is no longer there for this person leaves a sentence, the same whether it was deleted or closed."""
    own = get_answer_for(request.user, answer_id)
    cited = own.citations.filter(number=number).first()
    if cited is None:
        raise Http404
    document = readable_documents(request.user).select_related("corpus", "partition").filter(pk=cited.document_id or 0).first()
    panel = _panel(request, own, cited, document) if document else {"is_source_gone": True, "close_url": turn_url(own)}
    if request.htmx and not request.htmx.history_restore_request:
        return render(request, "ingestion/_document_panel.html" if document else "assistant/_source_gone.html", panel)
    page = {"open_answer": answer_id, "open_number": number, **conversation_context(request, own.conversation)}
    return render(request, "assistant/conversation.html", {**panel, **page})


def _panel(request: PersonRequest, own: Answer, cited: Citation, document: Document) -> dict[str, object]:
    """The document at `cited`, the other quotes of the same document marked, and the answer's evidence one by one."""
    readable = readable_documents(request.user)
    evidence = list(own.citations.filter(document__in=readable).select_related("document"))
    in_document = [item for item in evidence if item.document_id == document.pk]
    shown = document_panel_context(
        document,
        marks=[(item.start, item.end) for item in in_document],
        focus=(cited.start, cited.end),
        quotes={(item.start, item.end): item.quote for item in in_document},
        evidence=[_link(item) for item in evidence],
        position=next(index for index, item in enumerate(evidence) if item.pk == cited.pk),
        close_url=turn_url(own),
        newer=newest_version(document, readable),
    )
    return {**shown, "conversation_id": own.conversation_id}


def _link(item: Citation) -> EvidenceLink:
    where = place(item.page, item.heading_path, item.document.format if item.document else "")
    return EvidenceLink(label=where, url=reverse("assistant:citation", args=[item.answer_id, item.number]))


def _fragment(request: PersonRequest, own: Answer) -> HttpResponse:
    if not request.htmx:
        return redirect(turn_url(own))
    return render(request, "assistant/_answer.html", {"item": present_answer(own, request.user)})


def _refused(request: PersonRequest, own: Answer, error: QuestionError) -> HttpResponse:
    if request.htmx:
        return refusal_at_composer(error)
    context = {**conversation_context(request, own.conversation), "error": error.public_message}
    return render(request, "assistant/conversation.html", context, status=422)


def _pass_gate(user: User, answer_id: int) -> None:
    """Http404 unless the answer is one's own. The stream that follows holds no database connection while it waits."""
    try:
        get_answer_for(user, answer_id)
    finally:
        release_connection()
