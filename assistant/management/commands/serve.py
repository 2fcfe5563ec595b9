"""Runs the product on one machine: the web server and, when there is no broker, the embedded worker beside it."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
import types
from argparse import ArgumentParser
from collections.abc import Iterable
from functools import partial
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

WORKER = ["manage.py", "run_worker"]
STOP_AFTER_S = 15
PR_SET_PDEATHSIG = 1


class Command(BaseCommand):
    help = "Serve on one machine. Stop with Ctrl-C."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", default="8000")

    def handle(self, *args: Any, host: str, port: str, **options: Any) -> None:
        check_port(host, port)
        commands = {"web": ["-m", *web_command(host, port)]}
        if not settings.CELERY_BROKER_URL:
            commands["worker"] = WORKER
        stopping = False

        def on_signal(number: int, frame: types.FrameType | None) -> None:
            nonlocal stopping
            stopping = True

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, on_signal)
        processes = {name: _start(name, command) for name, command in commands.items()}
        while not stopping:
            time.sleep(0.3)
            for name, process in processes.items():
                if stopping or process.poll() is None:  # a service manager may tell all of them to stop at once
                    continue
                if name == "web":
                    _stop(processes.values())
                    raise CommandError(f"The web server ended with status {process.returncode}; its log is above.")
                self.stderr.write("The worker ended; it is started again.")
                time.sleep(1)
                processes[name] = _start(name, commands[name])
        _stop(processes.values())


def web_command(host: str, port: str) -> list[str]:
    """The web server's command, here as in the container."""
    options = ["--no-access-log", "--timeout-graceful-shutdown", "10"]
    return ["uvicorn", "config.asgi:application", "--host", host, "--port", port, *options]


def check_port(host: str, port: str) -> None:
    """CommandError, with what to do, unless the port can be listened on."""
    if not (port.isdecimal() and 0 < int(port) < 65536):
        raise CommandError(f"{port} is not a port. Choose a number from 1 to 65535, such as PORT=9000 make run.")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, int(port)))
        except OSError:
            raise CommandError(f"Port {port} is in use. Choose another, such as PORT=9000 make run.") from None


def _start(name: str, command: list[str]) -> subprocess.Popen[bytes]:
    """Whoever kills -9 this process must not leave its children behind. The web server gives up its port at once and finishes the
    answers that it makes. The worker goes with whatever it does: its jobs are taken up again, and one that finished them first
    would keep the next worker waiting for its lock."""
    signal_at_end = signal.SIGTERM if name == "web" else signal.SIGKILL
    return subprocess.Popen(
        [sys.executable, *command],
        cwd=settings.BASE_DIR,
        process_group=0,
        preexec_fn=partial(_die_with, os.getpid(), signal_at_end),  # noqa: PLW1509 - this process has one thread
    )


def _die_with(parent: int, number: int) -> None:
    """Runs in the child."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:  # it died before it was asked for
        os.kill(os.getpid(), signal.SIGKILL)


def _stop(processes: Iterable[subprocess.Popen[bytes]]) -> None:
    processes = list(processes)
    for process in processes:
        if process.poll() is None:
            process.terminate()
    for process in processes:
        try:
            process.wait(STOP_AFTER_S)
        except subprocess.TimeoutExpired:
            process.kill()
