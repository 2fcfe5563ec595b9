"""The lease of the web process that writes an answer, and the answers whose process is gone."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from django.db.models import BooleanField, ExpressionWrapper, Q
from django.db.models.expressions import Combinable
from django.db.models.functions import Now

from assistant.leases import is_dead
from assistant.models import OPEN_STATES, Answer

HELD = timedelta(seconds=30)  # it outlasts several renewals
EVERY_S = 5.0


def held() -> Combinable:
    """The end of a lease that begins now, by the database's clock: hosts need not agree on theirs."""
    return Now() + HELD


def renew(answers: Iterable[int]) -> None:
    Answer.objects.filter(pk__in=list(answers), state__in=OPEN_STATES).update(lease_until=held())


def lost_answers() -> list[int]:
    """Unfinished answers whose process is gone."""
    is_late = ExpressionWrapper(Q(lease_until__lt=Now()), output_field=BooleanField())
    unfinished = list(Answer.objects.filter(state__in=OPEN_STATES).values_list("pk", "written_by", is_late).order_by())
    dead = {writer for writer in {writer for _, writer, _ in unfinished} if is_dead(writer)}
    return [pk for pk, writer, late in unfinished if late or writer in dead]
