"""The pieces of an answer in the order in which a program's stream shows them, whatever the stream's own form is."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass

from asgiref.sync import sync_to_async
from django.http import Http404

from assistant.api.asking import follow_for
from assistant.api.completed import Completed, complete
from assistant.api.errors import ErrorBody
from assistant.api.models import ApiToken
from assistant.api.stopping import Stopper
from assistant.events import Sentence
from assistant.wording import Wording
from ingestion.connections import release_connection

HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
HEARTBEAT = b": still here\n\n"
GONE = ErrorBody(404, "answer_gone", "The answer was deleted, or access to it has ended.")


@dataclass(frozen=True, slots=True)
class Waiting:
    """Nothing new yet."""


@dataclass(frozen=True, slots=True)
class Words:
    text: str


@dataclass(frozen=True, slots=True)
class End:
    """`annotations` fit the words that were shown; none when those were cut, or told from a record that has changed."""

    completed: Completed
    annotations: Sequence[dict[str, object]]


Piece = Waiting | Words | End | ErrorBody


async def pieces(
    token: ApiToken, answer_id: int, absolute: Callable[[str], str], stop: Sequence[str] = ()
) -> AsyncGenerator[Piece, None]:
    """Ends with End or an ErrorBody, always."""
    wording, stopper, shown = Wording(), Stopper(stop), ""
    events = follow_for(token, answer_id)
    try:
        async for event in events:
            if event is None:
                yield Waiting()
            elif isinstance(event, Sentence):
                added = wording.add(event.text, event.citations, lead=event.lead, is_item=event.layout == "item")
                shown += (text := stopper.feed(added))
                if text:
                    yield Words(text)
                if stopper.is_stopped:
                    break
    finally:
        await events.aclose()
    completed = await _completed(token, answer_id, absolute)
    if completed is None or (completed.error is not None and not stopper.is_stopped):
        yield (completed.error if completed and completed.error else GONE)
        return
    rest = _rest(completed, wording.text)
    text = stopper.feed(rest) + stopper.finish()
    if text:
        shown += text
        yield Words(text)
    yield End(completed, completed.annotations if shown == completed.wording.text else ())


def _rest(completed: Completed, told: str) -> str:
    """What of the finished answer was not told yet."""
    whole = completed.wording.text
    if whole.startswith(told):
        return whole[len(told) :]
    return f"\n\n{completed.closing}" if completed.closing else ""


async def _completed(token: ApiToken, answer_id: int, absolute: Callable[[str], str]) -> Completed | None:
    def read() -> Completed | None:
        try:
            return complete(answer_id, token.user, absolute)
        except Http404:
            return None
        finally:
            release_connection()

    return await sync_to_async(read)()
