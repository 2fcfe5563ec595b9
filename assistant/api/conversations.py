"""/api/conversations and /api/answers: the record of what the person asked, at every door, and what they say of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, cast

from django.contrib.auth.models import User
from django.http import HttpRequest
from ninja import Query, Router, Schema
from pydantic import BaseModel, Field

from assistant.api.errors import ApiError
from assistant.api.gate import ApiRequest
from assistant.errors import QuestionError
from assistant.permissions import conversations_of, get_answer_for, get_conversation_for
from assistant.presentation import PresentedAnswer, present_conversation
from assistant.services import delete_conversation as remove
from assistant.services import record_feedback
from assistant.wording import word_answer

router = Router(tags=["Conversations"])
PAGE = 100
FARTHEST = 10**9


class ConversationOut(Schema):
    id: int
    title: str
    door: str = Field(description="where it was held: web, widget, api, mcp or slack")
    updated_at: datetime


class ConversationsOut(Schema):
    conversations: list[ConversationOut]
    total: int
    next_offset: int | None


class CitationOut(Schema):
    n: int
    document: int | None
    title: str
    place: str
    quote: str


class AnswerOut(Schema):
    id: int
    question: str
    status: str
    text: str
    citations: list[CitationOut]
    verdict: str


class ConversationDetail(ConversationOut):
    answers: list[AnswerOut]


class FeedbackIn(BaseModel):
    verdict: Literal["helpful", "not_helpful"]
    reason: Literal["", "wrong", "incomplete", "wrong_source", "outdated", "should_answer"] = ""
    comment: str = Field(default="", max_length=2000)


class FeedbackOut(Schema):
    verdict: str
    reason: str
    comment: str


def _user(request: HttpRequest) -> User:
    return cast(ApiRequest, request).token.user


@router.get("/conversations", url_name="conversations", response=ConversationsOut, summary="One's own conversations")
def list_conversations(
    request: HttpRequest, offset: int = Query(0, ge=0, le=FARTHEST), limit: int = Query(PAGE, ge=1, le=PAGE)
) -> dict[str, Any]:
    own = conversations_of(_user(request))
    total = own.count()
    page = [_head(item) for item in own[offset : offset + limit]]
    return {"conversations": page, "total": total, "next_offset": offset + limit if offset + limit < total else None}


@router.get(
    "/conversations/{int:conversation_id}", url_name="conversation", response=ConversationDetail, summary="One of them, whole"
)  # fmt: skip
def get_conversation(request: HttpRequest, conversation_id: int) -> dict[str, Any]:
    own = get_conversation_for(_user(request), conversation_id)
    return {**_head(own), "answers": [_answer(item) for item in present_conversation(own, _user(request))]}


@router.delete(
    "/conversations/{int:conversation_id}", url_name="conversation", response={204: None}, summary="Delete a conversation"
)  # fmt: skip
def delete_conversation(request: HttpRequest, conversation_id: int) -> None:
    remove(conversation=get_conversation_for(_user(request), conversation_id))


@router.put(
    "/answers/{int:answer_id}/feedback", url_name="feedback", response=FeedbackOut, summary="Say what an answer was worth"
)
def put_feedback(request: HttpRequest, answer_id: int, body: FeedbackIn) -> dict[str, Any]:
    """One opinion per answer; the newest counts."""
    own = get_answer_for(_user(request), answer_id)
    try:
        kept = record_feedback(answer=own, user=_user(request), verdict=body.verdict, reason=body.reason, comment=body.comment)
    except QuestionError as error:
        raise ApiError(400, error.code, error.public_message, param="verdict") from None
    return {"verdict": kept.verdict, "reason": kept.reason, "comment": kept.comment}


def _head(item: Any) -> dict[str, Any]:
    return {"id": item.pk, "title": item.title, "door": item.door, "updated_at": item.updated_at}


def _answer(item: PresentedAnswer) -> dict[str, Any]:
    return {
        "id": item.id, "question": item.question, "status": item.state, "text": word_answer(item).text, "verdict": item.verdict,
        "citations": [
            {"n": one.number, "document": one.document_id, "title": one.title, "place": one.place, "quote": one.quote}
            for one in item.citations if one.is_available
        ],
    }  # fmt: skip
