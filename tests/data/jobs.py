"""What a hostile file could make a reading process do. Called in the sandbox's child by its tests."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from pathlib import Path

from ingestion.parsers.base import ParseError


def echo(text: str) -> bytes:
    return text.encode()


def eat_memory() -> bytes:
    pieces = []
    while True:
        pieces.append(bytearray(os.urandom(1024) * 16 * 1024))


def loop() -> bytes:
    while True:
        pass


def wait_forever() -> bytes:
    while True:
        signal.pause()


def die(number: int) -> bytes:
    os.kill(os.getpid(), number)
    return b"still alive"


def end_early() -> bytes:
    os._exit(0)


def write_nonsense() -> bytes:
    os.write(1, b"?nonsense")
    os._exit(0)


def flood() -> bytes:
    piece = b"+" * (1024 * 1024)
    while True:
        os.write(1, piece)


def fail(message: str) -> bytes:
    raise RuntimeError(message)


def refuse() -> bytes:
    raise ParseError("a_code", "A sentence.", permanent=False)


def open_socket() -> bytes:
    with socket.socket() as connection:
        connection.connect(("127.0.0.1", 9))
    return b"connected"


def interfaces() -> bytes:
    return Path("/proc/self/net/dev").read_bytes()


def read(path: str) -> bytes:
    return Path(path).read_bytes()


def write(path: str) -> bytes:
    return str(Path(path).write_text("left behind", encoding="utf-8")).encode()


def start_program() -> bytes:
    return subprocess.run(["/bin/true"], check=True).args[0].encode()


def fork() -> bytes:
    if os.fork() == 0:
        os._exit(0)
    return b"forked"


def environment() -> bytes:
    return "\n".join(os.environ).encode()
