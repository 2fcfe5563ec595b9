"""Keeps the lease of long work alive from a thread of its own: a slow file, a long embedding or a training step must not look
like a death."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import DatabaseError, close_old_connections

from ingestion.connections import release_connection

logger = logging.getLogger(__name__)
EVERY_S = 15.0


@contextmanager
def renewing(renew: Callable[[], object]) -> Iterator[None]:
    """Call `renew` every EVERY_S seconds until the block ends."""
    done = threading.Event()

    def beat() -> None:
        while not done.wait(EVERY_S):
            try:
                close_old_connections()
                renew()
            except DatabaseError:  # the lease outlasts several of these
                logger.warning("A lease could not be renewed", exc_info=True)
        release_connection()

    thread = threading.Thread(target=beat, name="lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
