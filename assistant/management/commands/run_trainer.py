"""The trainer: makes data sets and trains versions of specialists, on this host or on another one with a GPU that has the same
database and the same data folder."""

from __future__ import annotations

import signal
import threading
import types
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.db import close_old_connections

from assistant.finetuning.worker import work_until_empty

LOOK_EVERY_S = 2.0


class Command(BaseCommand):
    help = "Make data sets and train specialists until stopped. What was begun is taken up where it stood."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="end when nothing waits")

    def handle(self, *args: Any, once: bool, **options: Any) -> None:
        stop = threading.Event()

        def on_signal(number: int, frame: types.FrameType | None) -> None:
            stop.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, on_signal)
        while not stop.is_set():
            close_old_connections()
            work_until_empty(should_stop=stop.is_set)
            if once:
                return
            stop.wait(LOOK_EVERY_S)
