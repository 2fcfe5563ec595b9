"""/v1/chat/completions: the answer path in the form that OpenAI's clients speak."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from ninja import Router

from assistant.api.asking import Wish, asks, begin, corpus_names, refuse_other_output, text_of
from assistant.api.catalogue import model_named
from assistant.api.completed import Completed
from assistant.api.errors import ApiError, ErrorBody, answer_error
from assistant.api.gate import ApiRequest
from assistant.api.schemas import ChatRequest
from assistant.api.stopping import LONGEST, MOST
from assistant.api.streaming import HEADERS, HEARTBEAT, Piece, Waiting, Words, ending, pieces
from assistant.models import Answer
from assistant.services import plain_text
from ingestion.connections import in_thread

router = Router(tags=["OpenAI"])


@router.post("/chat/completions", url_name="chat_completions", response={200: dict[str, Any]}, summary="Ask a question")
async def chat_completions(request: HttpRequest, body: ChatRequest) -> HttpResponse | StreamingHttpResponse:
    """Answers the last user message from the documents that the token's person may read. Earlier user messages say what a
    follow-up is about; system messages are not read."""
    asked: ApiRequest = request  # type: ignore[assignment]
    stop = _stop_sequences(body)
    row = await in_thread(lambda: begin(asked.token, _wish(body)))
    answered = pieces(asked.token, row.pk, request.build_absolute_uri, stop if body.stream else ())
    if body.stream:
        with_usage = bool(body.stream_options and body.stream_options.include_usage)
        chunks = _chunks(answered, _Head(row, body.model), with_usage=with_usage)
        return StreamingHttpResponse(chunks, content_type="text/event-stream", headers=HEADERS)
    return await _whole(answered, _Head(row, body.model), stop)


def _wish(body: ChatRequest) -> Wish:
    if body.n not in (None, 1):
        raise ApiError(400, "one_answer", "One answer is made for a question: leave out n.", param="n")
    refuse_other_output(body.response_format)
    said = [_question(text_of(item.content, param="messages")) for item in body.messages if item.role == "user"]
    asked = [text for text in said if asks(text)]
    if not asked:
        raise ApiError(400, "no_question", "There is no message of the role “user” with a question in it.", param="messages")
    return Wish(asked[-1], model_named(body.model), corpus_names(body.metadata), asked[:-1])


def _question(text: str) -> str:
    return plain_text(text).strip()


def _stop_sequences(body: ChatRequest) -> list[str]:
    given = [body.stop] if isinstance(body.stop, str) else body.stop or []
    if len(given) > MOST or any(len(sequence) > LONGEST for sequence in given):
        raise ApiError(400, "bad_stop", f"At most {MOST} stop sequences of at most {LONGEST} characters are taken.", param="stop")
    return given


class _Head:
    """What each chunk begins with."""

    def __init__(self, row: Answer, model: str) -> None:
        self.id, self.created, self.model = f"chatcmpl-{row.pk}", int(time.time()), model

    def chunk(self, delta: dict[str, Any], finish_reason: str | None = None, **more: Any) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return _frame({**self.fields("chat.completion.chunk"), "choices": [choice], **more})

    def fields(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}


async def _chunks(answered: AsyncIterator[Piece], head: _Head, *, with_usage: bool) -> AsyncIterator[bytes]:
    yield head.chunk({"role": "assistant", "content": ""})
    async for piece in answered:
        if isinstance(piece, Waiting):
            yield HEARTBEAT
        elif isinstance(piece, Words):
            yield head.chunk({"content": piece.text})
        elif isinstance(piece, ErrorBody):
            yield _frame(piece.as_dict())
        else:
            delta = {"annotations": _annotations(piece.annotations)} if piece.annotations else {}
            yield head.chunk(delta, _finish_reason(piece.completed), intramural=piece.completed.about)
            if with_usage:
                usage = {"choices": [], "usage": _usage(piece.completed)}
                yield _frame({**head.fields("chat.completion.chunk"), **usage})
    yield b"data: [DONE]\n\n"


async def _whole(answered: AsyncIterator[Piece], head: _Head, stop: Sequence[str]) -> HttpResponse:
    """The answer as it is recorded: what a model wrote and the product withdrew is not in it."""
    end = await ending(answered)
    if isinstance(end, ErrorBody):
        return answer_error(end)
    text, annotations = end.completed.until(stop)
    message = {"role": "assistant", "content": text, "refusal": None, "annotations": _annotations(annotations)}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish_reason(end.completed)}
    whole = {**head.fields("chat.completion"), "choices": [choice], "usage": _usage(end.completed)}
    return JsonResponse({**whole, "intramural": end.completed.about})


def _annotations(annotations: Sequence[dict[str, object]]) -> list[dict[str, object]]:
    return [{"type": "url_citation", "url_citation": annotation} for annotation in annotations]


def _finish_reason(completed: Completed) -> str:
    return "length" if completed.is_cut else "stop"


def _usage(completed: Completed) -> dict[str, int]:
    total = completed.tokens_in + completed.tokens_out
    return {"prompt_tokens": completed.tokens_in, "completion_tokens": completed.tokens_out, "total_tokens": total}


def _frame(content: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(content)}\n\n".encode()
