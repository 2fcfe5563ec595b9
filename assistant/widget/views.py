"""The chat in a frame: the script that makes the frame, the frame, and the parts that the frame asks for.

The script and the frame know nobody. The parts are asked for by the frame, with a session or a token, and are never framed.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from functools import cache, wraps
from pathlib import Path
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.staticfiles import finders
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.middleware.csrf import get_token
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt

from assistant.errors import QuestionError
from assistant.limits.using import nearest_limit
from assistant.models import Answer, Door, Feedback
from assistant.permissions import conversations_of, get_answer_for, get_conversation_for
from assistant.presentation import present_answer, present_conversation
from assistant.services import Manner, plain_text, record_feedback, start_answer, stop_answer
from assistant.sse import answer_frames
from assistant.streams import RECHECK_S
from assistant.suggestions import suggested_questions
from assistant.views.requests import number_in
from assistant.widget.gate import WidgetRequest
from assistant.widget.tokens import service_token
from ingestion.connections import in_thread, release_connection
from ingestion.models import Corpus
from ingestion.permissions import readable_corpora, readable_documents

ANSWER = "assistant/widget/_answer.html"
SUGGESTED = 3
NONE_READABLE = "You may read none of the documents that this page asks about. Ask an administrator for access."
THANKS = "Thank you. Your feedback is kept with the answer."


def script(request: HttpRequest) -> HttpResponse:
    """For pages of other origins, which load it under this one address."""
    _check_it_is_on()
    response = HttpResponse(_script(), content_type="text/javascript; charset=utf-8")
    response.headers["Cache-Control"] = "public, max-age=300"
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


@cache
def _script() -> bytes:
    found = finders.find("widget.js")
    assert isinstance(found, str), "static/widget.js belongs to the product"
    return Path(found).read_bytes()


def frame(request: HttpRequest) -> HttpResponse:
    """The one page that may be framed, and by the named origins only."""
    _check_it_is_on()
    response = render(request, "assistant/widget/frame.html", {"origins": " ".join(settings.WIDGET_ORIGINS)})
    response.xframe_options_exempt = True  # which cannot name origins; the next line does
    response._csp_replace = {"frame-ancestors": list(settings.WIDGET_ORIGINS)}  # type: ignore[attr-defined]
    return response


def _check_it_is_on() -> None:
    if not settings.WIDGET_ORIGINS:
        raise Http404


def _part(view: Any) -> Any:
    """The gate checks the form's secret where there is a session; a token needs none."""
    return csrf_exempt(view)


def _telling_errors(view: Any) -> Any:
    @wraps(view)
    def told(request: WidgetRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except QuestionError as error:
            return HttpResponse(error.public_message, content_type="text/plain; charset=utf-8", status=422)

    return told


@_part
def chat(request: WidgetRequest) -> HttpResponse:
    """The conversation that the frame remembers, if it is this person's; else the welcome with some questions."""
    number = request.GET.get("conversation", "")
    own = conversations_of(request.user).filter(pk=number_in(number)).first() if number else None
    context: dict[str, object] = {
        "conversation": own,
        "csrf_token": get_token(request),
        "nearest_limit": nearest_limit(request.user),
    }
    if own is not None:
        context["answers"] = present_conversation(own, request.user)
    else:
        context |= _welcome(request)
    context["question_limit"] = settings.MAX_QUESTION_CHARACTERS
    return render(request, "assistant/widget/_chat.html", context)


def _welcome(request: WidgetRequest) -> dict[str, object]:
    try:
        corpora = _corpora(request, request.GET.get("corpora", ""))
    except QuestionError as error:
        return {"refusal": error.public_message}
    has_documents = readable_documents(request.user).filter(revision__gt=0).exists()
    return {
        "has_documents": has_documents,
        "suggestions": suggested_questions(request.user, corpora=corpora)[:SUGGESTED] if has_documents else (),
    }


@_part
@_telling_errors
def ask(request: WidgetRequest) -> HttpResponse:
    number = request.POST.get("conversation", "")
    own = get_conversation_for(request.user, number_in(number)) if number else None
    asked = start_answer(
        user=request.user, question=request.POST.get("question", ""), conversation=own,
        corpora=() if own else _corpora(request, request.POST.get("corpora", "")),
        manner=Manner(door=Door.WIDGET, token=request.service),
    )  # fmt: skip
    return _turn(request, asked)


@_part
def answer(request: WidgetRequest, answer_id: int) -> HttpResponse:
    return _shown(request, get_answer_for(request.user, answer_id))


@_part
async def stream(request: WidgetRequest, answer_id: int) -> StreamingHttpResponse:
    """The answer as it is made, for as long as the service that vouches for the person may."""
    await sync_to_async(_pass_gate)(request, answer_id)
    frames = answer_frames(answer_id, request.user, "", template=ANSWER)
    frames = _while_vouched(frames, request.service.pk) if request.service else frames
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingHttpResponse(frames, content_type="text/event-stream", headers=headers)


@_part
def stop(request: WidgetRequest, answer_id: int) -> HttpResponse:
    own = get_answer_for(request.user, answer_id)
    stop_answer(answer=own)
    return _shown(request, own)


@_part
@_telling_errors
def feedback(request: WidgetRequest, answer_id: int) -> HttpResponse:
    """Helpful, or not helpful with a reason. What to write about it is asked in the product, not here."""
    own = get_answer_for(request.user, answer_id)
    verdict, reason = request.POST.get("verdict", ""), request.POST.get("reason", "")
    kept = record_feedback(answer=own, user=request.user, verdict=verdict, reason=reason)
    asks_why = kept.verdict == Feedback.Verdict.NOT_HELPFUL and not reason
    reasons = [choice for choice in Feedback.Reason.choices if choice[0]] if asks_why else []
    context = {"answer_id": own.pk, "verdict": kept.verdict, "reasons": reasons, "thanks": "" if asks_why else THANKS}
    return render(request, "assistant/widget/_feedback.html", context)


def _corpora(request: WidgetRequest, names: str) -> list[Corpus]:
    """Of the corpora that the page names, those that this person may read. Where it names some and they may read none, nothing is
    asked: without a corpus, all would be searched."""
    wanted = {name.strip() for name in plain_text(names).split(",") if name.strip()}
    found = list(readable_corpora(request.user).filter(slug__in=wanted)) if wanted else []
    if wanted and not found:
        raise QuestionError("no_corpus", NONE_READABLE)
    return found


def _turn(request: WidgetRequest, row: Answer) -> HttpResponse:
    return render(request, "assistant/widget/_turn.html", {"item": present_answer(row, request.user)})


def _shown(request: WidgetRequest, row: Answer) -> HttpResponse:
    return render(request, ANSWER, {"item": present_answer(row, request.user)})


def _pass_gate(request: WidgetRequest, answer_id: int) -> None:
    """Http404 unless the answer is this person's. The stream that follows holds no database connection while it waits."""
    try:
        get_answer_for(request.user, answer_id)
    finally:
        release_connection()


async def _while_vouched(frames: AsyncIterator[bytes], service: int) -> AsyncIterator[bytes]:
    checked = time.monotonic()
    async for piece in frames:
        if time.monotonic() - checked >= RECHECK_S:
            if await in_thread(lambda: service_token(service)) is None:
                return
            checked = time.monotonic()
        yield piece
