"""Answers in the making: a worker thread makes the events, any number of readers follow them, and none is needed.

The answer is made in this process, not through the broker, so that asking works while the broker is down. A reader in
another process, or one that comes late, reads the record in the database.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from copy import copy
from datetime import timedelta
from functools import cache
from typing import TypeVar

from django.conf import settings
from django.contrib.auth.models import User
from django.db import DatabaseError, close_old_connections
from django.db.models import QuerySet
from django.utils import timezone

from assistant.errors import LOST, UNEXPECTED
from assistant.events import AnswerEvent, Failed, Finished, Queued, Sentence, Sources
from assistant.models import OPEN_STATES, Answer, AnswerState
from assistant.permissions import searchable_chunks
from assistant.writers import EVERY_S, held, lost_answers, renew
from ingestion.connections import in_thread, lend_connection, release_connection

logger = logging.getLogger(__name__)

LEASE = timedelta(minutes=5)  # of what no web process makes; the answers of those are held by their heart
POLL_S = 0.5
RECHECK_S = 3.0

T = TypeVar("T")


class Channel:
    """The events of one answer: appended by one thread, followed from event loops."""

    def __init__(self) -> None:
        self.events: list[AnswerEvent] = []
        self._lock = threading.Lock()
        self._waiting: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()

    def publish(self, event: AnswerEvent) -> None:
        with self._lock:
            self.events.append(event)
            waiting, self._waiting = self._waiting, set()
        for loop, bell in waiting:
            loop.call_soon_threadsafe(bell.set)

    def bell_after(self, seen: int) -> asyncio.Event:
        """An event that is set once there are more than `seen` events."""
        bell = asyncio.Event()
        with self._lock:
            if len(self.events) > seen:
                bell.set()
            else:
                self._waiting.add((asyncio.get_running_loop(), bell))
        return bell


_channels: dict[int, Channel] = {}
_queue: dict[int, None] = {}  # those of them that no thread has begun, in order


@cache
def _executor() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(settings.ANSWER_THREADS, thread_name_prefix="answer")


def run_in_background(row: Answer) -> None:
    """Make the answer in a thread of its own. It is recorded whether or not anybody follows."""
    channel = _channels[row.pk] = Channel()
    _queue[row.pk] = None
    _heart.start()
    _executor().submit(_run, copy(row), channel)  # its own: the page shows the row that was asked while this one is filled


class _Heart:
    """A thread that renews what this process holds, those in the queue too, while there is any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_beating = False

    def start(self) -> None:
        with self._lock:
            if not self._is_beating:
                self._is_beating = True
                threading.Thread(target=self._beat, name="heart", daemon=True).start()

    def _beat(self) -> None:
        while True:
            time.sleep(EVERY_S)
            with self._lock:
                if not _channels:
                    self._is_beating = False
                    return
            try:
                close_old_connections()
                renew(list(_channels))
            except DatabaseError:  # the lease outlasts several of these
                logger.warning("The leases of answers could not be renewed", exc_info=True)
            finally:
                release_connection()


_heart = _Heart()


def waiting_answers() -> int:
    return len(_channels)


def in_background(work: Callable[[], object]) -> None:
    """Do what a person waits for, in one of the threads that make answers."""

    def run() -> None:
        try:
            work()
        except Exception:  # the last line of a thread: nobody else would hear of it
            logger.exception("Work in the background was lost")
        finally:
            lend_connection()

    _executor().submit(run)


def run_now(row: Answer) -> list[AnswerEvent]:
    """Make the answer in this thread: for the command line and for measuring."""
    return list(run_steps(row))


def run_steps(row: Answer) -> Iterator[AnswerEvent]:
    """The same, event by event."""
    from assistant.answering import answer

    Answer.objects.filter(pk=row.pk, state=AnswerState.PENDING).update(state=AnswerState.ANSWERING)
    yield from answer(row)


def _run(row: Answer, channel: Channel) -> None:
    """`row`: as it was stored a moment ago. It may have been stopped or deleted since; who may read what is asked anew anyway."""
    from assistant.answering import answer

    answer_id = row.pk
    _queue.pop(answer_id, None)
    try:
        started = Answer.objects.filter(pk=answer_id, state=AnswerState.PENDING).update(
            state=AnswerState.ANSWERING, lease_until=held()
        )
        if not started:
            channel.publish(Finished(AnswerState.STOPPED))
            return
        for event in answer(row):
            channel.publish(event)
    except Exception:  # the last line of a thread: nobody else would hear of it
        logger.exception("Answer %s was lost", answer_id)
        channel.publish(Failed(UNEXPECTED))
        _fail_open(Answer.objects.filter(pk=answer_id), UNEXPECTED)
    finally:
        lend_connection()  # the next answer of this thread begins at once
        _channels.pop(answer_id, None)


async def follow(answer_id: int, user: User) -> AsyncIterator[AnswerEvent]:
    """The events of an answer: all of them in the process that makes it, its end elsewhere and later.

    Ends after Finished or Failed, or when access is lost. The caller has passed the answer's gate; it is passed again every
    few seconds. What a model is writing is left out once its asker may no longer read all that the model had before it, also for
    whoever comes late.
    """
    channel = _channels.get(answer_id)
    if channel is None:
        async for event in _follow_record(answer_id, user):
            yield event
        return
    seen, checked = 0, time.monotonic()
    before: int | None = None
    hearing = _Hearing(answer_id)
    while True:
        if time.monotonic() - checked >= RECHECK_S:  # by the clock: sentences may come without a pause
            if not await in_thread(lambda: _may_follow(answer_id, user)):
                return
            checked = time.monotonic()
        while seen < len(channel.events):
            event = channel.events[seen]
            seen += 1
            if not await hearing.may_be_told(event):
                continue
            yield event
            if isinstance(event, Finished | Failed):
                return
        if not seen and (now := _before(answer_id)) is not None and now != before:
            yield Queued(before := now)
        with suppress(TimeoutError):
            await asyncio.wait_for(channel.bell_after(seen).wait(), RECHECK_S)


class _Hearing:
    """Whether one who follows an answer may still hear what is written of it."""

    def __init__(self, answer_id: int) -> None:
        self._answer_id = answer_id
        self._passages: tuple[int, ...] = ()
        self._checked = -RECHECK_S
        self._is_over = False

    async def may_be_told(self, event: AnswerEvent) -> bool:
        if isinstance(event, Sources):
            self._passages = event.ids
        if not isinstance(event, Sentence) or event.is_recorded:  # a recorded one is shown as its reader may see it
            return True
        if not self._is_over and time.monotonic() - self._checked >= RECHECK_S:
            self._is_over = not await in_thread(lambda: _may_read_all(self._answer_id, self._passages))
            self._checked = time.monotonic()
        return not self._is_over


def _may_read_all(answer_id: int, passages: Collection[int]) -> bool:
    row = Answer.objects.select_related("conversation").filter(pk=answer_id).first()
    return row is not None and searchable_chunks(row.conversation, passages).count() == len(passages)


def _before(answer_id: int) -> int | None:
    """How many answers come before this one is begun; None once it is."""
    waiting = list(_queue)
    return waiting.index(answer_id) if answer_id in waiting else None


async def _follow_record(answer_id: int, user: User) -> AsyncIterator[AnswerEvent]:
    while True:
        row = await in_thread(lambda: _read(answer_id, user))
        if row is None:
            return
        if row.is_final:
            yield recorded_end(row)
            return
        await asyncio.sleep(POLL_S)


def _may_follow(answer_id: int, user: User) -> bool:
    return Answer.objects.filter(pk=answer_id, conversation__user=user.pk, conversation__user__is_active=True).exists()


def _read(answer_id: int, user: User) -> Answer | None:
    if not _may_follow(answer_id, user):
        return None
    expire_lost_answers()
    return Answer.objects.filter(pk=answer_id).first()


def expire_lost_answers() -> int:
    """Answers whose process died end as failed, with the sentence that says so. It is looked first, since every question asks for
    it, and a change that changes nothing waits for SQLite's one writer all the same."""
    lost = lost_answers()
    return _fail_open(Answer.objects.filter(pk__in=lost), LOST) if lost else 0


def _fail_open(answers: QuerySet[Answer], message: str) -> int:
    return answers.filter(state__in=OPEN_STATES).update(
        state=AnswerState.FAILED, error_message=message, finished_at=timezone.now(), lease_until=None
    )


def recorded_end(row: Answer) -> AnswerEvent:
    """How it ended. Sentences are not replayed: whoever comes late reads the record, through the gate."""
    return Failed(row.error_message) if row.state == AnswerState.FAILED else Finished(row.state)
