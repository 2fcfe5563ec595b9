"""Leases of queued work: who holds a row, and whether the holder is gone.

Every step of the holder is a conditional UPDATE, so that one who lost the row changes nothing any more: `lease_owner` is the
holder's name or empty, `lease_until` the end of the lease."""

from __future__ import annotations

import os
import socket
import uuid
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.utils import timezone

FREED: dict[str, Any] = {"lease_owner": "", "lease_until": None}


def new_owner() -> str:
    """A name that no other claim has; it tells the host and the process."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


def is_abandoned(owner: str, until: datetime | None) -> bool:
    """The lease is over, or the holder's process on this host is dead."""
    host, _, rest = owner.partition(":")
    process = rest.partition(":")[0]
    is_dead = host == socket.gethostname() and process.isdigit() and not Path(f"/proc/{process}").exists()
    return is_dead or until is None or until < timezone.now()


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
