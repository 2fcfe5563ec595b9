"""A whole installation as an administrator runs it: its own data folder, database, server and worker processes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import httpx

from tests.environment import ROOT, make_data_folder

START_S = 60
_held: list[socket.socket] = []
ONE_AFTER_THE_OTHER = """
import io, json, os
from django.core.management import call_command
os.sched_getaffinity = lambda process: {{0}}  # so little work that a second thread only waits for the first
said = []
for command in {commands!r}:
    said.append(io.StringIO())
    call_command(*command, stdout=said[-1])
print("SAID" + json.dumps([text.getvalue() for text in said]))
"""


def free_port() -> int:
    """A port for a server that is started later, perhaps more than once. A socket that does not listen keeps it until these tests
    end: the kernel gives it to nobody else, not even for a connection, and a server that sets SO_REUSEADDR may listen on it."""
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # llama-server sets this one
    holder.bind(("127.0.0.1", 0))
    _held.append(holder)
    return int(holder.getsockname()[1])


def wait_for(condition: Any, what: str, seconds: float = 60) -> Any:
    """Poll until the condition gives something true; what it waits for is in another process, so there is nothing to await."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if result := condition():
            return result
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {seconds} seconds")


@dataclass
class Installation:
    environment: dict[str, str] = field(default_factory=dict)
    extra_commands: Sequence[Sequence[str]] = ()  # processes beside the server, such as a Celery worker
    data: Path = field(default_factory=make_data_folder)
    port: int = field(default_factory=free_port)
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.data / "server.log"

    def _environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "CELERY_BROKER_URL")}
        return {**inherited, "INTRAMURAL_DATA": str(self.data), **self.environment}

    def manage(self, *arguments: str, expect: int = 0) -> str:
        """Run a management command; the standard output, or the failure with its log."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == expect, f"{arguments}: status {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def manage_json(self, *arguments: str) -> Any:
        return json.loads(self.manage(*arguments, "--json"))

    def manage_all(self, *commands: Sequence[str]) -> list[str]:
        """What each of these commands prints, run in one process: a process for each takes longer to start than to work."""
        program = ONE_AFTER_THE_OTHER.format(commands=[list(command) for command in commands])
        said: list[str] = json.loads(self.manage("shell", "-v", "0", "-c", program).rpartition("SAID")[2])
        return said

    def prepare(self) -> Installation:
        shutil.copytree(_prepared(), self.data, ignore=shutil.ignore_patterns("models", "secret_key"), dirs_exist_ok=True)
        return self

    def start(self) -> Installation:
        commands = [["manage.py", "serve", "--port", str(self.port)], *self.extra_commands]
        with self.log.open("ab") as log:
            for command in commands:
                self.processes.append(
                    subprocess.Popen(
                        [sys.executable, *command],
                        cwd=ROOT,
                        env=self._environment(),
                        stdout=log,
                        stderr=log,
                        start_new_session=True,
                    )
                )
        try:
            wait_for(self._is_up, f"the server at {self.url} (log: {self.log})", START_S)
        except AssertionError:
            self.kill()  # the fixture has not come to where it stops what it started
            raise
        return self

    def _is_up(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health/", timeout=5).status_code == 200
        except httpx.TransportError:
            dead = [process for process in self.processes if process.poll() is not None]
            assert not dead, self.log.read_text()[-3000:]
            return False

    def kill(self) -> None:
        """kill -9 of everything at once: server, workers and their children."""
        for pid in self.descendants():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self._reap()

    def stop(self) -> None:
        for process in self.processes:
            process.terminate()
        self._reap()

    def _reap(self) -> None:
        for process in self.processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(5)
        self.processes.clear()

    def descendants(self) -> list[int]:
        children: dict[int, list[int]] = {}
        for status in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = status.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            children.setdefault(int(fields[1]), []).append(int(status.parent.name))
        found: list[int] = []
        queue = [process.pid for process in self.processes]
        while queue:
            pid = queue.pop()
            found.append(pid)
            queue += children.get(pid, [])
        return found

    def client(self, username: str, password: str) -> httpx.Client:
        """A signed-in browser without JavaScript."""
        client = httpx.Client(base_url=self.url, follow_redirects=True, timeout=30)
        client.get("/sign-in/")
        response = client.post(
            "/sign-in/",
            data={"username": username, "password": password, "csrfmiddlewaretoken": client.cookies["csrftoken"]},
        )
        assert response.status_code == 200, response.text[:2000]
        assert response.url.path == "/", f"{username} was not signed in: {response.url}"
        client.headers["X-CSRFToken"] = client.cookies["csrftoken"]
        return client

    def create_person(self, name: str, *options: str) -> tuple[str, str]:
        return name, str(self.manage_json("create_person", name, *options)["password"])

    def create_people(self, people: dict[str, Sequence[str]], *then: Sequence[str]) -> dict[str, str]:
        """The password of each, by name, who are created with these options; `then`: the commands after it."""
        said = self.manage_all(*(["create_person", name, *options, "--json"] for name, options in people.items()), *then)
        return {name: str(json.loads(text)["password"]) for name, text in zip(people, said, strict=False)}


@cache
def _prepared() -> Path:
    """A data folder with the tables and the collected files. They are made once in a run of the tests: each installation begins
    with a copy of them."""
    made = Installation()
    made.manage("migrate", "--verbosity", "0")
    made.manage("collectstatic", "--noinput", "--verbosity", "0")
    return made.data
