"""/v1/responses, as far as clients need it: text in, text with citations out, whole or as a stream of typed events."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from ninja import Router

from assistant.api.asking import Wish, asks, begin, corpus_names, refuse_other_output, text_of
from assistant.api.catalogue import model_named
from assistant.api.completed import Completed
from assistant.api.errors import ApiError, ErrorBody, answer_error
from assistant.api.gate import ApiRequest
from assistant.api.models import ApiToken
from assistant.api.schemas import ResponseRequest
from assistant.api.streaming import HEADERS, HEARTBEAT, End, Piece, Waiting, Words, ending, pieces
from assistant.models import Answer, Conversation
from assistant.permissions import get_answer_for
from assistant.services import plain_text
from ingestion.connections import in_thread

router = Router(tags=["OpenAI"])
_PREFIX = "resp_"


@router.post("/responses", url_name="responses", response={200: dict[str, Any]}, summary="Ask, and go on in a conversation")
async def responses(request: HttpRequest, body: ResponseRequest) -> HttpResponse | StreamingHttpResponse:
    """Like chat completions; `previous_response_id` asks the next question of a conversation that is kept here."""
    asked: ApiRequest = request  # type: ignore[assignment]
    row = await in_thread(lambda: _begin(asked.token, body))
    answered = pieces(asked.token, row.pk, request.build_absolute_uri)
    form = _Form(row, body)
    if body.stream:
        return StreamingHttpResponse(_events(answered, form), content_type="text/event-stream", headers=HEADERS)
    return await _whole(answered, form)


def _begin(token: ApiToken, body: ResponseRequest) -> Answer:
    refuse_other_output(body.text.format if body.text else None)
    messages = [("user", body.input)] if isinstance(body.input, str) else [(item.role, item.content) for item in body.input]
    said = [plain_text(text_of(content, param="input")).strip() for role, content in messages if role == "user"]
    asked = [text for text in said if asks(text)]
    if not asked:
        raise ApiError(400, "no_question", "There is no input of the role “user” with a question in it.", param="input")
    names, before = corpus_names(body.metadata), _conversation(token, body.previous_response_id)
    if before is not None and names:
        told = "A conversation searches the corpora with which it began. Leave them out, or begin a new one."
        raise ApiError(400, "corpora_are_chosen", told, param="metadata.corpora")
    earlier = () if before is not None else asked[:-1]
    return begin(token, Wish(asked[-1], model_named(body.model), names, earlier, before))


def _conversation(token: ApiToken, response_id: str | None) -> Conversation | None:
    if response_id is None:
        return None
    number = response_id.removeprefix(_PREFIX)
    if number.isascii() and number.isdigit() and len(number) < 19:
        try:
            return get_answer_for(token.user, int(number)).conversation
        except Http404:
            pass
    said = f"There is no response “{response_id[:60]}” of yours to go on from."
    raise ApiError(404, "response_not_found", said, param="previous_response_id")


class _Form:
    """The response object, as it is known so far."""

    def __init__(self, row: Answer, body: ResponseRequest) -> None:
        self.number, self.body, self.created = row.pk, body, int(time.time())
        self.item_id = f"msg_{row.pk}"

    def response(self, status: str, output: Sequence[dict[str, Any]] = (), **more: Any) -> dict[str, Any]:
        return {
            "id": f"{_PREFIX}{self.number}", "object": "response", "created_at": self.created, "status": status,
            "model": self.body.model, "output": list(output), "error": None, "incomplete_details": None, "instructions": None,
            "metadata": self.body.metadata or {}, "previous_response_id": self.body.previous_response_id,
            "parallel_tool_calls": False, "tool_choice": "none", "tools": [], "temperature": None, "top_p": None, "usage": None,
            **more,
        }  # fmt: skip

    def message(self, status: str, content: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
        return {"type": "message", "id": self.item_id, "status": status, "role": "assistant", "content": list(content)}

    def finished(self, text: str, end: End) -> dict[str, Any]:
        output = [self.message("completed", [output_text(text, end.annotations)])]
        reason = {"reason": "max_output_tokens"} if end.completed.is_cut else None
        status = "incomplete" if reason else "completed"
        about = {"usage": _usage(end.completed), "incomplete_details": reason, "intramural": end.completed.about}
        return self.response(status, output, **about)


def output_text(text: str, annotations: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    return {
        "type": "output_text",
        "text": text,
        "annotations": [{"type": "url_citation", **annotation} for annotation in annotations],
    }


async def _whole(answered: AsyncIterator[Piece], form: _Form) -> HttpResponse:
    end = await ending(answered)
    if isinstance(end, ErrorBody):
        return answer_error(end)
    return JsonResponse(form.finished(end.completed.wording.text, End(end.completed, end.completed.annotations)))


async def _events(answered: AsyncIterator[Piece], form: _Form) -> AsyncIterator[bytes]:
    count = _Counter()
    at = {"item_id": form.item_id, "output_index": 0, "content_index": 0}
    yield count.frame("response.created", response=form.response("in_progress"))
    yield count.frame("response.in_progress", response=form.response("in_progress"))
    yield count.frame("response.output_item.added", output_index=0, item=form.message("in_progress"))
    yield count.frame("response.content_part.added", **at, part=output_text(""))
    text = ""
    async for piece in answered:
        if isinstance(piece, Waiting):
            yield HEARTBEAT
        elif isinstance(piece, Words):
            text += piece.text
            yield count.frame("response.output_text.delta", **at, delta=piece.text, logprobs=[])
        elif isinstance(piece, ErrorBody):
            failed = form.response("failed", error={"code": "server_error", "message": piece.message})
            yield count.frame("response.failed", response=failed)
        else:
            part = output_text(text, piece.annotations)
            for number, annotation in enumerate(part["annotations"]):
                named = {"annotation_index": number, "annotation": annotation}
                yield count.frame("response.output_text.annotation.added", **at, **named)
            yield count.frame("response.output_text.done", **at, text=text, logprobs=[])
            yield count.frame("response.content_part.done", **at, part=part)
            yield count.frame("response.output_item.done", output_index=0, item=form.message("completed", [part]))
            whole = form.finished(text, piece)
            yield count.frame(f"response.{whole['status']}", response=whole)


class _Counter:
    """Numbers the events of a stream."""

    def __init__(self) -> None:
        self.next = 0

    def frame(self, kind: str, **fields: Any) -> bytes:
        content = {"type": kind, "sequence_number": self.next, **fields}
        self.next += 1
        return f"event: {kind}\ndata: {json.dumps(content)}\n\n".encode()


def _usage(completed: Completed) -> dict[str, Any]:
    return {
        "input_tokens": completed.tokens_in, "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": completed.tokens_out, "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": completed.tokens_in + completed.tokens_out,
    }  # fmt: skip
