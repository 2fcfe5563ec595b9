"""The embedded worker: works the queues (documents, golden runs) without a broker, by looking into the database."""

from __future__ import annotations

import fcntl
import logging
import signal
import threading
import types
from typing import Any, BinaryIO

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import close_old_connections
from django.utils.module_loading import import_string

from ingestion.pipeline import release_leases

logger = logging.getLogger(__name__)
LOOK_EVERY_S = 0.5


class Command(BaseCommand):
    help = "Ingest queued documents until stopped. One embedded worker per data folder; with a broker, run Celery instead."

    def handle(self, *args: Any, **options: Any) -> None:
        lock = _only_one()
        stop = threading.Event()

        def on_signal(number: int, frame: types.FrameType | None) -> None:
            stop.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, on_signal)
        released = release_leases()  # this is the only worker: whatever is in work belonged to one that died
        if released:
            logger.info("%d documents of a worker that died are taken up again.", released)
        works = [import_string(path) for path in settings.BACKGROUND_WORK]
        while not stop.is_set():
            close_old_connections()
            for work in works:
                work(should_stop=stop.is_set)
            stop.wait(LOOK_EVERY_S)
        lock.close()


def _only_one() -> BinaryIO:
    """Hold the worker's lock; the kernel gives it back even after kill -9."""
    file = open(settings.DATA_DIR / "worker.lock", "ab")  # noqa: SIM115 - held for the life of the process
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise CommandError("Another worker is running on this data folder.") from None
    return file
