"""Answer events as server-sent events: each frame carries a piece of the page that htmx puts in its place."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace

from django.contrib.auth.models import User
from django.template.loader import render_to_string

from assistant.composing import segments
from assistant.events import AnswerEvent, Failed, Finished, Queued, Reading, Routed, Sentence, Sources, Understood
from assistant.models import Answer, AnswerState
from assistant.presentation import PresentedAnswer, present_answer
from assistant.streams import follow
from ingestion.connections import in_thread
from ingestion.reading_html import is_numbered

HEARTBEAT_S = 15.0
HEARTBEAT = b": still here\n\n"
_LINE_END = re.compile(r"\r\n|\r|\n")


def frame(event: str, html: str) -> bytes:
    """One event. Every line of the data has its own field, because a line end would close it."""
    lines = "".join(f"data: {line}\n" for line in _LINE_END.split(html.strip()))
    return f"event: {event}\n{lines}\n".encode()


async def answer_frames(
    answer_id: int, user: User, csrf_token: str, *, template: str = "assistant/_answer.html"
) -> AsyncIterator[bytes]:
    """The frames step, sentence and done of one answer. `done` always comes last and holds the whole answer, by
    `template`.

    The caller has passed the answer's gate. A finished answer is shown as its viewer may see it now; it is not replayed.
    """
    row = await in_thread(lambda: _read(answer_id, user))
    failure = ""
    if row and not row.is_final:
        step = _Step(row.question)
        async for event in with_heartbeats(follow(answer_id, user), HEARTBEAT_S):
            if event is None:
                yield HEARTBEAT
            elif isinstance(event, Sentence):
                yield frame("sentence", _sentence(event, answer_id))
            elif isinstance(event, Failed):
                failure = event.message
            elif not isinstance(event, Finished):
                yield frame("step", step.after(event))
    presented = await in_thread(lambda: _present(answer_id, user))
    if presented and failure:
        presented = replace(presented, state=AnswerState.FAILED, error_message=failure)
    yield frame("done", _final(presented, csrf_token, template))


async def with_heartbeats(events: AsyncIterator[AnswerEvent], every_s: float) -> AsyncGenerator[AnswerEvent | None, None]:
    """The events, and None whenever none has come for `every_s` seconds, so that proxies keep the connection."""
    coming = asyncio.ensure_future(anext(events))
    try:
        while True:
            done, _ = await asyncio.wait({coming}, timeout=every_s)
            if not done:
                yield None
                continue
            try:
                event = coming.result()
            except StopAsyncIteration:
                return
            yield event
            coming = asyncio.ensure_future(anext(events))
    finally:
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)


class _Step:
    """The line above the answer, as it is known so far."""

    def __init__(self, question: str) -> None:
        self.context: dict[str, object] = {"question": question, "passages": None}

    def after(self, event: Understood | Routed | Sources | Queued | Reading) -> str:
        self.context["before"] = event.before if isinstance(event, Queued) else None
        self.context["reading"] = event if isinstance(event, Reading) else None
        if isinstance(event, Understood) and event.question != self.context["question"]:
            self.context["understood"] = event.question
        elif isinstance(event, Sources):
            self.context |= {"corpora": event.corpora, "passages": event.passages}
        return render_to_string("assistant/_step.html", self.context)


def _sentence(event: Sentence, answer_id: int) -> str:
    context = {"event": event, "segments": segments(event.text, event.marks), "answer_id": answer_id}
    context["is_numbered"] = is_numbered(event.text)
    return render_to_string("assistant/_sentence.html", context)


def _final(presented: PresentedAnswer | None, csrf_token: str, template: str) -> str:
    if presented is None or not presented.is_final:
        return render_to_string("assistant/_gone.html")
    return render_to_string(template, {"item": presented, "csrf_token": csrf_token})


def _read(answer_id: int, user: User) -> Answer | None:
    """None when it is no longer theirs."""
    return Answer.objects.filter(pk=answer_id, conversation__user=user.pk, conversation__user__is_active=True).first()


def _present(answer_id: int, user: User) -> PresentedAnswer | None:
    """The answer as `user` may see it now."""
    row = _read(answer_id, user)
    return present_answer(row, user) if row else None
