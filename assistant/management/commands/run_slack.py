"""Takes Slack's events by Socket Mode and answers them, until it is stopped."""

from __future__ import annotations

import logging
import signal
import threading
import types
from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import close_old_connections

from assistant.slack.socket import connect
from assistant.slack.source.worker import sync_slack_sources
from assistant.slack.switch import is_on, takes_socket
from assistant.slack.worker import work_slack_events
from ingestion.connections import release_connection

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 0.3
SYNC_EVERY_S = 5.0
THREADS = 2


class Command(BaseCommand):
    help = (
        "Answer in Slack until stopped. With SLACK_APP_TOKEN, events come by Socket Mode, so no port is open to the outside; "
        "without it, those are answered that come over HTTP. Channels that fill a corpus are synchronised. Several may run."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        if not is_on():
            raise CommandError("Slack is off: set SLACK_BOT_TOKEN. docs/slack.md says how.")
        stop = threading.Event()

        def on_signal(number: int, frame: types.FrameType | None) -> None:
            stop.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, on_signal)
        handler = connect() if takes_socket() else None
        workers = [
            threading.Thread(target=_work, args=(stop, work_slack_events, LOOK_EVERY_S), name=f"slack-{place}")
            for place in range(THREADS)
        ]
        workers.append(threading.Thread(target=_work, args=(stop, sync_slack_sources, SYNC_EVERY_S), name="slack-sources"))
        for worker in workers:
            worker.start()
        stop.wait()
        if handler is not None:
            handler.close()  # type: ignore[no-untyped-call]
        for worker in workers:
            worker.join()


def _work(stop: threading.Event, work: Callable[..., int], every_s: float) -> None:
    while not stop.is_set():
        try:
            close_old_connections()
            work(should_stop=stop.is_set)
        except Exception:  # a thread that ends would leave the rest to nobody
            logger.exception("The Slack worker goes on after an error")
        finally:
            release_connection()
        stop.wait(every_s)
