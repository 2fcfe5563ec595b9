"""Leases of rows: who holds one, and whether the holder is gone: known at once on its own host, elsewhere by the lease's end.

Every step of the holder is a conditional UPDATE, so that one who lost the row changes nothing any more: `lease_owner` is the
holder's name or empty, `lease_until` the end of the lease."""

from __future__ import annotations

import hashlib
import os
import socket
import uuid
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.utils import timezone

FREED: dict[str, Any] = {"lease_owner": "", "lease_until": None}


def new_owner() -> str:
    """A name that no other claim has; it tells the process."""
    return f"{this_process()}:{uuid.uuid4().hex[:8]}"


def is_abandoned(owner: str, until: datetime | None) -> bool:
    """The lease is over, or the holder's process on this host is dead."""
    return until is None or until < timezone.now() or is_dead(owner.rpartition(":")[0])


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


def take(row: Any, *, lease: timedelta, **changes: Any) -> str:
    """Hold a row that nobody holds, and read it anew: the holder's name, or nothing when another was quicker."""
    owner = new_owner()
    unchanged = type(row).objects.filter(pk=row.pk, state=row.state, lease_owner=row.lease_owner)
    if not unchanged.update(lease_owner=owner, lease_until=timezone.now() + lease, **changes):
        return ""
    try:
        row.refresh_from_db()
    except ObjectDoesNotExist:  # it was deleted just now
        return ""
    return owner


def change_held(row: Any, owner: str, **changes: Any) -> bool:
    """False when the row is no longer this holder's."""
    return bool(type(row).objects.filter(pk=row.pk, lease_owner=owner).update(**changes))


@cache
def _place() -> str:
    """Where the number of a process means one process: this start of this host, and its namespace of processes."""
    host = socket.gethostname()
    try:
        started = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        place = f"{started}/{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return ""
    return f"{host[:24].replace(':', '')}/{hashlib.sha256(f'{host}/{place}'.encode()).hexdigest()[:12]}"


def _started(process: int) -> str:
    """When a process began, in ticks since the host did. Empty for one that is gone, or waits to be reaped."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]
