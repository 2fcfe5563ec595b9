"""The pieces of an answer in the order in which a program's stream shows them, whatever the stream's own form is."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from django.http import Http404

from assistant.api.asking import follow_for
from assistant.api.completed import Completed, complete
from assistant.api.errors import ErrorBody
from assistant.api.models import ApiToken
from assistant.api.stopping import Stopper
from assistant.api.tokens import valid_tokens
from assistant.events import Sentence
from assistant.wording import Wording
from ingestion.connections import in_thread

HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
HEARTBEAT = b": still here\n\n"
WITHDRAWN = "The words above are withdrawn: no document that you may read supports them."
GONE = ErrorBody(404, "answer_gone", "The answer was deleted, or access to it has ended.")


@dataclass(frozen=True, slots=True)
class Waiting:
    """Nothing new yet."""


@dataclass(frozen=True, slots=True)
class Words:
    text: str


@dataclass(frozen=True, slots=True)
class End:
    """`annotations` fit the words that were shown; none when those were cut, or withdrawn."""

    completed: Completed
    annotations: Sequence[dict[str, object]]


Piece = Waiting | Words | End | ErrorBody


async def pieces(
    token: ApiToken, answer_id: int, absolute: Callable[[str], str], stop: Sequence[str] = ()
) -> AsyncGenerator[Piece, None]:
    """Ends with End or an ErrorBody, always."""
    wording, stopper, shown, is_being_written = Wording(), Stopper(stop), "", False
    events = follow_for(token, answer_id)
    try:
        async for event in events:
            if event is None:
                yield Waiting()
            elif isinstance(event, Sentence) and not (event.is_recorded and is_being_written):
                is_being_written = not event.is_recorded  # the record may say otherwise in the end
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
    if stopper.is_stopped:
        yield End(completed, ())
        return
    rest = _rest(completed, wording.text)
    text = stopper.feed(rest) + stopper.finish()
    if text:
        shown += text
        yield Words(text)
    yield End(completed, completed.annotations if shown == completed.wording.text else ())


async def ending(answered: AsyncIterator[Piece]) -> End | ErrorBody:
    """How the pieces end, for those who want no stream."""
    async for piece in answered:
        if isinstance(piece, End | ErrorBody):
            return piece
    raise RuntimeError("the pieces of an answer end with End or an ErrorBody")


def _rest(completed: Completed, told: str) -> str:
    """What of the finished answer was not told yet: all of it, where a model's words did not last."""
    whole = completed.wording.text
    return whole[len(told) :] if whole.startswith(told) else f"\n\n{WITHDRAWN}\n\n{whole}"


async def _completed(token: ApiToken, answer_id: int, absolute: Callable[[str], str]) -> Completed | None:
    def read() -> Completed | None:
        try:
            valid = valid_tokens().select_related("user").filter(pk=token.pk).first()  # who asked may have lost it meanwhile
            return complete(answer_id, valid.user, absolute) if valid else None
        except Http404:
            return None

    return await in_thread(read)
