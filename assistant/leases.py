"""Leases of queued work: who holds a row, and whether the holder is gone."""

from __future__ import annotations

import os
import socket
import uuid
from datetime import datetime
from pathlib import Path

from django.utils import timezone


def new_owner() -> str:
    """A name that no other claim has; it tells the host and the process."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


def is_abandoned(owner: str, until: datetime | None) -> bool:
    """The lease is over, or the holder's process on this host is dead."""
    host, _, rest = owner.partition(":")
    process = rest.partition(":")[0]
    is_dead = host == socket.gethostname() and process.isdigit() and not Path(f"/proc/{process}").exists()
    return is_dead or until is None or until < timezone.now()
