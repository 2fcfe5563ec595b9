"""What becomes of the worker when its server ends, politely or not. Deaf stands for a worker in the middle of a long job."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.environment import ROOT
from tests.flows.installation import free_port, wait_for

SERVE = """
import sys, django
django.setup()
from assistant.management.commands import serve
serve.web_command = lambda host, port: ["timeit", "-n", "1", "import time; time.sleep(600)"]
serve.WORKER = ["-c", sys.argv[1], sys.argv[2]]
serve.Command().execute(host="127.0.0.1", port=sys.argv[3], no_color=True, force_color=False, skip_checks=True)
"""
DEAF = """
import os, pathlib, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGHUP, signal.SIG_IGN)
pathlib.Path(sys.argv[1], str(os.getpid())).touch()
time.sleep(600)
"""
POLITE = """
import os, pathlib, signal, sys, time
def finish(*_):
    pathlib.Path(sys.argv[1], "finished").touch()
    sys.exit()
signal.signal(signal.SIGTERM, finish)
pathlib.Path(sys.argv[1], str(os.getpid())).touch()
time.sleep(600)
"""


@contextmanager
def serving(worker: str, folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The server's process, and the number of its worker."""
    folder.mkdir()
    command = [sys.executable, "-c", SERVE, worker, str(folder), str(free_port())]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings", "CELERY_BROKER_URL": ""}
    server = subprocess.Popen(command, cwd=ROOT, env=environment)
    number = 0
    try:
        number = int(wait_for(lambda: [path.name for path in folder.iterdir()], "the worker")[0])
        yield server, number
    finally:
        server.kill()
        server.wait()
        if number:
            with suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)


def is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_it_leaves_no_worker_behind_when_it_is_killed(tmp_path: Path) -> None:
    with serving(DEAF, tmp_path / "worker") as (server, worker):
        server.kill()
        wait_for(lambda: not is_running(worker), "the end of the worker", 10)


def test_it_lets_the_worker_finish_when_it_is_stopped(tmp_path: Path) -> None:
    with serving(POLITE, tmp_path / "worker") as (server, worker):
        server.terminate()
        server.wait(30)
        assert not is_running(worker)
        assert (tmp_path / "worker" / "finished").exists()


def test_it_ends_without_an_error_when_all_its_processes_are_told_to_stop(tmp_path: Path) -> None:
    """As a service manager does it."""
    with serving(POLITE, tmp_path / "worker") as (server, _):
        children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
        for process in (server.pid, *map(int, children)):
            os.kill(process, signal.SIGTERM)
        assert server.wait(30) == 0
