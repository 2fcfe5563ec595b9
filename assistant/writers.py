"""Which process writes an answer, and whether it is dead: known at once on its own host, elsewhere by a lease that it renews."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from datetime import timedelta
from functools import cache
from pathlib import Path

from django.db.models import BooleanField, ExpressionWrapper, Q
from django.db.models.expressions import Combinable
from django.db.models.functions import Now

from assistant.models import FINAL_STATES, Answer

HELD = timedelta(seconds=30)  # it outlasts several renewals
EVERY_S = 5.0


def this_process() -> str:
    """A name that no other process has, on any host, after any restart; empty where the system tells no such thing."""
    place, started = _place(), _started(os.getpid())
    return f"{place}:{os.getpid()}:{started}" if place and started else ""


def is_dead(writer: str) -> bool:
    """Whether a process of this host is gone. Of one elsewhere (another host or container, or before a restart of this one)
    nothing is known here."""
    place, _, rest = writer.rpartition(":")[0].rpartition(":")
    if not place or place != _place() or not rest.isdecimal():
        return False
    try:
        os.kill(int(rest), 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # somebody else's: alive
        return False
    return _started(int(rest)) != writer.rpartition(":")[2]


def held() -> Combinable:
    """The end of a lease that begins now, by the database's clock: hosts need not agree on theirs."""
    return Now() + HELD


def renew(answers: Iterable[int]) -> None:
    Answer.objects.filter(pk__in=list(answers)).exclude(state__in=FINAL_STATES).update(lease_until=held())


def lost_answers() -> list[int]:
    """Unfinished answers whose process is gone."""
    is_late = ExpressionWrapper(Q(lease_until__lt=Now()), output_field=BooleanField())
    unfinished = Answer.objects.exclude(state__in=FINAL_STATES).values_list("pk", "written_by", is_late)
    return [pk for pk, writer, late in unfinished if late or is_dead(writer)]


@cache
def _place() -> str:
    """Where the number of a process means one process: this start of this host, and its namespace of processes."""
    try:
        started = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{socket.gethostname()[:40]}/{started[:13]}/{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return ""


def _started(process: int) -> str:
    """When a process began, in ticks since the host did. Empty for one that is gone, or waits to be reaped."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]
