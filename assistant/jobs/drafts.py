"""The life of a draft of a reply: asked for by who answers, claimed with a lease, written, shown to its author, and gone.

It is begun at once in the web process, in one of the threads that make answers; where that died, the worker takes it up. Its text
has words of documents, so it is shown only while its author (and, of a draft for both, the asker) may read every one of them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from assistant.errors import UNEXPECTED, QuestionError
from assistant.escalations.models import Escalation
from assistant.escalations.permissions import handled_escalations
from assistant.jobs.drafting import write_letter
from assistant.jobs.models import OPEN_DRAFTS, DraftState, ReplyDraft
from assistant.leases import FREED, change_held, is_abandoned, take
from assistant.limits.using import take_question
from assistant.models import Conversation
from assistant.streams import in_background
from ingestion.permissions import readable_documents

logger = logging.getLogger(__name__)

SLICE_S = 3.0  # of the embedded worker's time, before its other work gets its turn again
LEASE = timedelta(minutes=5)  # renewed with every step
MOST_ATTEMPTS = 3
KEPT = timedelta(days=1)
KILLER = "Drafting this reply stopped the worker three times."
PASSED_ON = "The question is no longer yours to answer."
CLOSED = "A source of the draft was deleted or closed meanwhile, so it is not shown. Draft it again."


@dataclass(frozen=True, slots=True)
class Claim:
    """A draft that this process holds."""

    draft: ReplyDraft
    owner: str


@dataclass(frozen=True, slots=True)
class ShownDraft:
    """`text` is empty where there is none: then `message` says why, or what is being done."""

    is_open: bool
    text: str = ""
    message: str = ""
    closed: tuple[str, ...] = ()
    is_unsure: bool = False
    is_for_both: bool = True


# --- Ask for it, see it, be done with it ------------------------------------------------------------------------------


def start_draft(*, escalation: Escalation, author: User, is_for_both: bool = True) -> ReplyDraft:
    """Begin a draft in place of the author's earlier one. One that is under way goes on. Raises QuestionError."""
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=author.pk)
        earlier = ReplyDraft.objects.filter(escalation=escalation, author=author).first()
        if earlier is not None and earlier.is_open:
            return earlier
        take_question(user=author)
        if earlier is not None:
            earlier.delete()
        made = ReplyDraft.objects.create(escalation=escalation, author=author, is_for_both=is_for_both)
        transaction.on_commit(lambda: in_background(lambda: work_on_draft(made.pk)))
    return made


def draft_for(*, escalation: Escalation, viewer: User) -> ShownDraft | None:
    """The viewer's own draft. The caller has passed the question's gate."""
    draft = ReplyDraft.objects.filter(escalation=escalation, author=viewer).first()
    if draft is None:
        return None
    if draft.is_open:
        return ShownDraft(True, message=draft.message or "Waiting to be drafted", is_for_both=draft.is_for_both)
    if not _is_readable(draft):
        return ShownDraft(False, message=CLOSED, is_for_both=draft.is_for_both)
    return ShownDraft(False, draft.text, draft.message, tuple(draft.closed), draft.is_unsure, draft.is_for_both)


def drop_draft(*, escalation: Escalation, author: User) -> None:
    """Its words are in the reply now, or not wanted."""
    ReplyDraft.objects.filter(escalation=escalation, author=author).delete()


def _is_readable(draft: ReplyDraft) -> bool:
    wanted = set(draft.documents)
    people = [draft.author, *([draft.escalation.asker] if draft.is_for_both and draft.escalation.asker else [])]
    return all(wanted <= set(readable_documents(person).filter(pk__in=wanted).values_list("pk", flat=True)) for person in people)


# --- Work on it -------------------------------------------------------------------------------------------------------


def work_drafts(*, should_stop: Callable[[], bool] = lambda: False, slice_s: float = SLICE_S) -> int:
    """Write what waits or was left behind, for a while. Returns how many drafts came to an end."""
    ReplyDraft.objects.filter(finished_at__lt=timezone.now() - KEPT).delete()
    end = time.monotonic() + slice_s
    made = 0
    while not should_stop() and time.monotonic() < end:
        waiting = ReplyDraft.objects.filter(state__in=OPEN_DRAFTS).order_by("pk").values_list("pk", flat=True)
        if not any(work_on_draft(pk) for pk in waiting):
            break
        made += 1
    return made


def work_on_draft(draft_id: int) -> bool:
    """Bring this draft to its end; False where another process holds it, or it is gone."""
    claim = _claim(draft_id)
    if claim is None:
        return False
    draft = claim.draft
    Conversation.objects.filter(pk=draft.conversation_id or 0).delete()  # of a process that was killed while it asked
    if draft.attempts > MOST_ATTEMPTS:
        return _finish(claim, state=DraftState.FAILED, message=KILLER)
    if not handled_escalations(draft.author).filter(pk=draft.escalation_id).exists():
        return _finish(claim, state=DraftState.FAILED, message=PASSED_ON)
    try:
        letter = write_letter(
            escalation=draft.escalation, author=draft.author, is_for_both=draft.is_for_both,
            on_step=lambda **changes: _hold(claim, **changes),
        )  # fmt: skip
    except QuestionError as error:
        return _finish(claim, state=DraftState.FAILED, message=error.public_message)
    except Exception:  # a bug must end as a draft that says so, not as one that is begun for ever
        logger.exception("Draft %s failed", draft.pk)
        return _finish(claim, state=DraftState.FAILED, message=UNEXPECTED)
    return _finish(
        claim, state=DraftState.FINISHED, text=letter.text, message=letter.message, closed=list(letter.closed),
        documents=list(letter.documents), is_unsure=letter.is_unsure,
    )  # fmt: skip


def _claim(draft_id: int) -> Claim | None:
    row = ReplyDraft.objects.filter(pk=draft_id, state__in=OPEN_DRAFTS).first()
    if row is None or (row.state == DraftState.RUNNING and not is_abandoned(row.lease_owner, row.lease_until)):
        return None
    owner = take(row, lease=LEASE, state=DraftState.RUNNING, attempts=F("attempts") + 1, message="Searching")
    return Claim(row, owner) if owner else None


def _finish(claim: Claim, **changes: Any) -> bool:
    return _hold(claim, **changes, finished_at=timezone.now(), conversation=None, **FREED)


def _hold(claim: Claim, **changes: Any) -> bool:
    """Change what is claimed, and renew the lease. False when it was deleted or taken over."""
    return change_held(claim.draft, claim.owner, **{"lease_until": timezone.now() + LEASE, **changes})
