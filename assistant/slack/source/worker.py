"""Synchronises the channels that fill a corpus. Runs in the embedded worker, in Celery workers, in manage.py run_slack and in
manage.py sync_slack; several may run."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

from django.utils import timezone

from assistant.slack.claims import LeaseLostError
from assistant.slack.client import SlackBusyError, SlackClient, SlackError
from assistant.slack.source.claims import SourceClaim, claim_source, release
from assistant.slack.source.following import REMOVED, VOID, close, look_at_channel
from assistant.slack.source.models import SlackPart, SlackSource
from assistant.slack.source.names import Names
from assistant.slack.source.parts import next_part, work_part
from assistant.slack.source.walking import begin_walk, walk_page
from assistant.slack.switch import is_on
from ingestion.connections import release_connection

logger = logging.getLogger(__name__)

SLICE_S = 3.0  # of the embedded worker's time, before documents get their turn again
AGAIN_AFTER = timedelta(minutes=5)  # when something went wrong
LOOKED_AT_AGAIN = timedelta(minutes=5)  # a channel that is not followed now

_names: tuple[float, Names] | None = None
NAMES_KEPT_S = 3600.0


def sync_slack_sources(
    *, should_stop: Callable[[], bool] = lambda: False, slice_s: float = SLICE_S, channel: str = ""
) -> int:  # fmt: skip
    """Synchronise for a while what is due. Returns how many pages and parts were read. Where Slack is off, nothing is."""
    if not is_on() or not SlackSource.objects.exists():
        return 0
    client, end, worked = SlackClient(), time.monotonic() + slice_s, 0

    def is_over() -> bool:
        return should_stop() or time.monotonic() > end

    while not is_over():
        claim = claim_source(channel=channel)
        if claim is None:
            break
        worked += _sync(client, claim, is_over)
    return worked


def _sync(client: SlackClient, claim: SourceClaim, is_over: Callable[[], bool]) -> int:
    """Go on with a source until it is done or the time is over; whoever takes it up next goes on from there."""
    worked = 0
    try:
        if not look_at_channel(client, claim):
            release(claim, next_at=timezone.now() + LOOKED_AT_AGAIN)
            return 1
        for _ in _steps(client, claim):
            worked += 1
            if is_over():
                release(claim)
                return worked
        release(claim, synced_at=timezone.now(), problem="")
    except LeaseLostError:
        logger.info("Source %s is no longer this worker's", claim.source.pk)
    except SlackBusyError as error:  # it asks the whole app to wait
        until = timezone.now() + timedelta(seconds=error.wait_s)
        SlackSource.objects.update(not_before=until)
        release(claim)
    except SlackError as error:
        if error.code in VOID:
            close(claim.source, REMOVED)
        else:
            _put_off(claim, f"{error}.")
    except Exception:  # a bug in one channel must not stop the others
        logger.exception("Source %s failed", claim.source.pk)
        _put_off(claim, "An unexpected error; the log has it.")
    finally:
        release_connection()
    return worked


def _steps(client: SlackClient, claim: SourceClaim) -> Iterator[None]:
    source = claim.source
    if not source.walk_floor and source.next_at <= timezone.now():
        begin_walk(claim)
    while source.walk_floor:
        walk_page(client, claim)
        yield
    names = _names_of(client)
    while (part := next_part(claim)) is not None:
        try:
            work_part(client, claim, part, names)
        except (LeaseLostError, SlackError):
            raise
        except Exception:  # a bug in one part must not stop the others; the next comparison tries it again
            logger.exception("Part %s of source %s failed", part.key, source.pk)
            SlackPart.objects.filter(pk=part.pk).update(due_at=None, problem="An unexpected error; the log has it.")
        yield


def _put_off(claim: SourceClaim, problem: str) -> None:
    release(claim, not_before=timezone.now() + AGAIN_AFTER, problem=problem[:300])


def _names_of(client: SlackClient) -> Names:
    """Kept from slice to slice, for an hour."""
    global _names  # noqa: PLW0603 - one per process
    if _names is None or time.monotonic() - _names[0] > NAMES_KEPT_S:
        _names = time.monotonic(), Names(client)
    return _names[1]
