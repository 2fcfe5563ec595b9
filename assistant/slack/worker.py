"""Works the queue of Slack's events. Runs in the embedded worker, in Celery workers and in manage.py run_slack."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import timedelta

from django.utils import timezone

from assistant.slack.answering import forget_question, work_question
from assistant.slack.buttons import work_button
from assistant.slack.changing import was_deleted, work_changed, work_deleted
from assistant.slack.claims import (
    MAX_ATTEMPTS,
    RETRY_AFTER,
    UNREACHABLE,
    Claim,
    LeaseLostError,
    claim_event,
    fail,
    finish,
    forget_old,
    release,
)
from assistant.slack.client import SlackBusyError, SlackClient, SlackError
from assistant.slack.leaving import work_end
from assistant.slack.models import QUESTIONS, Kind, Outcome
from assistant.slack.pane import work_pane
from assistant.slack.sentences import BROKEN, KILLER
from assistant.slack.showing import react, tell_asker
from assistant.slack.switch import is_on
from ingestion.connections import release_connection

logger = logging.getLogger(__name__)

SLICE_S = 3.0  # of the embedded worker's time, before documents get their turn again
FORGET_EVERY_S = 3600.0

_forgot_at = -FORGET_EVERY_S


def work_slack_events(*, should_stop: Callable[[], bool] = lambda: False, slice_s: float = SLICE_S) -> int:
    """Work events for a while. Returns how many. Where Slack is off, nothing is worked."""
    if not is_on():
        return 0
    _forget()
    client, end, worked = SlackClient(), time.monotonic() + slice_s, 0
    while not should_stop() and time.monotonic() < end:
        claim = claim_event()
        if claim is None:
            break
        work_on(client, claim)
        worked += 1
    return worked


def work_on(client: SlackClient, claim: Claim) -> None:
    """Bring the event to its end, or give it back for another attempt."""
    try:
        if claim.event.attempts > MAX_ATTEMPTS:  # it was never given back: the worker died three times
            _give_up(client, claim, KILLER)
        else:
            _work(client, claim)
    except LeaseLostError:
        logger.info("Event %s is no longer this worker's", claim.event.pk)
    except SlackBusyError as error:
        release(claim, after=timedelta(seconds=error.wait_s), reason="Slack asked to wait.", is_counted=False)
    except SlackError as error:
        if error.is_unreachable and timezone.now() - claim.event.created_at < UNREACHABLE:
            release(claim, after=RETRY_AFTER[0], reason=f"{error}.", is_counted=False)
        else:
            _try_again(client, claim, f"{error}.", is_hopeless=not error.is_passing)
    except Exception:  # a bug must end as a sentence for the asker, not as silence
        logger.exception("Event %s failed", claim.event.pk)
        _try_again(client, claim, "An unexpected error; the log has it.")
    finally:
        release_connection()


def _work(client: SlackClient, claim: Claim) -> None:
    event = claim.event
    if event.kind == Kind.GONE:
        work_end(client, claim)
        return
    us = client.identity()
    team = event.payload.get("team", "")
    if team and team != us.team:
        finish(claim, Outcome.IGNORED, "It comes from another workspace.")
    elif event.slack_user == us.user:
        finish(claim, Outcome.IGNORED, "It is our own.")
    elif event.kind == Kind.CHANGED:
        work_changed(client, claim)
    elif event.kind == Kind.DELETED:
        work_deleted(client, claim)
    elif event.kind == Kind.BUTTON:
        work_button(client, claim)
    elif event.kind == Kind.PANE:
        work_pane(client, claim)
    elif event.is_message and was_deleted(event):
        finish(claim, Outcome.WITHDRAWN, "Its message was deleted.")
    else:
        work_question(client, claim)


def _try_again(client: SlackClient, claim: Claim, reason: str, *, is_hopeless: bool = False) -> None:
    if is_hopeless or claim.event.attempts >= MAX_ATTEMPTS:
        _give_up(client, claim, reason)
    else:
        release(claim, after=RETRY_AFTER[claim.event.attempts - 1], reason=reason)


def _give_up(client: SlackClient, claim: Claim, reason: str) -> None:
    """Say that it is broken, as far as Slack lets us."""
    if claim.event.kind == Kind.CHANNEL:
        forget_question(claim)
    if claim.event.kind in QUESTIONS:
        try:
            tell_asker(client, claim, BROKEN)
            react(client, claim, Outcome.BROKEN)
        except LeaseLostError:
            return
        except SlackError as error:
            reason = f"{reason} Nobody could be told: {error}."
    fail(claim, Outcome.BROKEN, reason)


def _forget() -> None:
    global _forgot_at  # noqa: PLW0603 - once per process and hour
    if time.monotonic() - _forgot_at >= FORGET_EVERY_S:
        _forgot_at = time.monotonic()
        forget_old()
