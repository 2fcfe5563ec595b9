"""Real PostgreSQL and Redis for a test: servers of its own on free ports, gone with it."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from tests.environment import ROOT
from tests.flows.installation import free_port, wait_for


def compose_command(service: str) -> list[str]:
    """The very command of docker-compose.yml, so that what is deployed is what is tested."""
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    return list(services[service]["command"])


def _as_postgres() -> None:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() == 0:
        account = pwd.getpwnam("postgres")
        os.setgid(account.pw_gid)
        os.setuid(account.pw_uid)


@contextmanager
def postgresql() -> Iterator[str]:
    """The URL of an empty database."""
    binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1]
    folder = Path(tempfile.mkdtemp(prefix="intramural-pg-"))
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    port, data = free_port(), folder / "data"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": "/", "preexec_fn": _as_postgres}
    subprocess.run([binaries / "initdb", "-D", data, "-A", "trust", "-U", "intramural", "-E", "UTF8"], check=True, **quiet)  # type: ignore[call-overload]
    server = subprocess.Popen(  # type: ignore[call-overload]
        [binaries / "postgres", "-D", data, "-p", str(port), "-k", folder, "-c", "listen_addresses=127.0.0.1"], **quiet
    )
    try:
        ready = [binaries / "pg_isready", "-h", "127.0.0.1", "-p", str(port)]
        wait_for(lambda: subprocess.run(ready, capture_output=True, check=False).returncode == 0, "PostgreSQL")
        subprocess.run(
            [binaries / "createdb", "-h", "127.0.0.1", "-p", str(port), "-U", "intramural", "intramural"], check=True, cwd="/"
        )
        yield f"postgres://intramural@127.0.0.1:{port}/intramural"
    finally:
        server.terminate()
        server.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def redis() -> Iterator[str]:
    """The URL of an empty Redis."""
    with tempfile.TemporaryDirectory(prefix="intramural-redis-") as folder:
        port = free_port()
        server = subprocess.Popen(
            [*compose_command("broker"), "--port", str(port), "--bind", "127.0.0.1", "--dir", folder],
            stdout=subprocess.DEVNULL,
        )
        try:
            ping = ["redis-cli", "-p", str(port), "ping"]
            wait_for(lambda: subprocess.run(ping, capture_output=True, check=False).stdout.strip() == b"PONG", "Redis")
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            server.terminate()
            server.wait(20)
