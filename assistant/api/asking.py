"""A program's question: understood from the messages it sends, answered on the one answer path, and followed while it may be."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from django.conf import settings

from assistant.api.catalogue import OfferedModel
from assistant.api.errors import ApiError
from assistant.api.models import ApiToken
from assistant.api.schemas import Part
from assistant.api.tokens import valid_tokens
from assistant.errors import QuestionError
from assistant.events import AnswerEvent, Failed, Finished
from assistant.followups import TURNS_REMEMBERED, standalone_question, topic
from assistant.limits.using import OVER
from assistant.models import FINAL_STATES, Answer, Conversation, Door
from assistant.services import Manner, start_answer, stop_answer
from assistant.sse import with_heartbeats
from assistant.streams import RECHECK_S, follow
from ingestion.connections import in_thread
from ingestion.filters import names_of
from ingestion.models import Corpus
from ingestion.permissions import readable_corpora

T = TypeVar("T")
TOO_BUSY = frozenset({"busy", "too_many", OVER})


@dataclass(frozen=True, slots=True)
class Wish:
    """`earlier`: the questions before this one, oldest first, where the program keeps the conversation itself."""

    question: str
    model: OfferedModel
    corpora: Sequence[str] = ()
    earlier: Sequence[str] = ()
    conversation: Conversation | None = None
    door: str = Door.API


def text_of(content: str | Sequence[Part] | None, *, param: str) -> str:
    """The words of a message. Raises ApiError for pictures, sounds and files, which nothing here can read."""
    if content is None or isinstance(content, str):
        return content or ""
    for part in content:
        if part.type not in ("text", "input_text", "output_text"):
            raise ApiError(400, "unsupported_content", f"Only text can be read here, not “{part.type[:40]}”.", param=param)
    return "\n".join(part.text for part in content)


def asks(text: str) -> bool:
    """Whether there is a word in it; messages without one are passed over."""
    return any(char.isalnum() for char in text)


def corpus_names(metadata: dict[str, Any] | None) -> list[str]:
    """The corpora of the request's metadata: names or slugs, as a list or separated by commas."""
    given = (metadata or {}).get("corpora", [])
    names = given.split(",") if isinstance(given, str) else given
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ApiError(400, "bad_corpora", "Give the names of corpora as text, separated by commas.", param="metadata.corpora")
    return [name.strip() for name in names if name.strip()]


def refuse_other_output(output_format: dict[str, Any] | None) -> None:
    """What would be silently wrong is refused: an answer is text with citations, never a document of a given shape."""
    if output_format and output_format.get("type", "text") != "text":
        said = "An answer is text with citations; other forms of output are not made here."
        raise ApiError(400, "text_only", said, param="response_format")


def begin(token: ApiToken, wish: Wish) -> Answer:
    """Store the question and begin to answer it. Raises ApiError when it is not accepted."""
    corpora = named_corpora(token, wish.corpora)
    try:
        return start_answer(
            user=token.user, question=wish.question, conversation=wish.conversation, corpora=corpora,
            understood_as=_understood(wish),
            manner=Manner(door=wish.door, tier=wish.model.tier, token=token),
        )  # fmt: skip
    except QuestionError as error:
        status = 429 if error.code in TOO_BUSY else 400
        raise ApiError(status, error.code, error.public_message, param="messages") from None


def _understood(wish: Wish) -> str:
    """The question in its conversation, of which as much counts as of one that is kept here; empty when it stands alone."""
    limit = settings.MAX_QUESTION_CHARACTERS
    turns: list[tuple[str, str]] = []
    for asked in [text for text in wish.earlier if len(text) <= limit][-TURNS_REMEMBERED:]:
        turns.append((asked, _short(standalone_question(asked, topic(turns)), otherwise=asked)))
    return _short(standalone_question(wish.question, topic(turns)), otherwise="") if turns and len(wish.question) <= limit else ""


def _short(text: str, *, otherwise: str) -> str:
    return text if len(text) <= settings.MAX_QUESTION_CHARACTERS else otherwise


def named_corpora(token: ApiToken, names: Sequence[str], *, param: str = "metadata.corpora") -> list[Corpus]:
    """An unknown corpus and a forbidden one are the same mistake; neither widens the search."""
    readable = {key: corpus for corpus in readable_corpora(token.user) for key in (corpus.name, corpus.slug)}
    for name in names:
        if name not in readable:
            there = f"You may read {names_of(readable.values())}." if readable else "There is none that you may read."
            raise ApiError(404, "corpus_not_found", f"You may read no corpus “{name[:120]}”. {there}", param=param)
    return [readable[name] for name in dict.fromkeys(names)]


async def follow_for(token: ApiToken, answer_id: int) -> AsyncGenerator[AnswerEvent | None, None]:
    """The events of an answer, and None while nothing happens. It ends early when the token ends, and a program that goes away
    stops the answer, since nobody else reads it."""
    checked, events = time.monotonic(), with_heartbeats(follow(answer_id, token.user), RECHECK_S)
    is_over = False
    try:
        async for event in events:
            is_over = isinstance(event, Finished | Failed)
            if time.monotonic() - checked >= RECHECK_S:
                if not await in_thread(lambda: valid_tokens().filter(pk=token.pk).exists()):
                    return
                checked = time.monotonic()
            yield event
    finally:
        await events.aclose()
        if not is_over:
            await in_thread(lambda: _stop(answer_id))


def _stop(answer_id: int) -> None:
    row = Answer.objects.filter(pk=answer_id).exclude(state__in=FINAL_STATES).first()
    if row is not None:
        stop_answer(answer=row)
