"""Reads files in processes that can be lost: bounded in time, memory, output and reach. A result comes back, or ParseError."""

from __future__ import annotations

import atexit
import contextlib
import json
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ingestion.parsers.base import ParsedDocument, ParseError

logger = logging.getLogger(__name__)

MEMORY_MB = 1536  # address space of one child; settings.PARSE_MEMORY_MB
CPU_SECONDS = 60  # settings.PARSE_SECONDS; half as much again by the clock
MAX_OUTPUT = 64 * 1024 * 1024  # bytes
_START_SECONDS = 60.0
_ROOT = Path(__file__).resolve().parent.parent.parent
_START = "import sys; sys.path.insert(0, sys.argv[1]); from ingestion.parsers.template import main; main()"

_TOO_BIG = "Reading the file takes more memory than is allowed. Split it and upload the parts."
_TOO_SLOW = "Reading the file takes longer than is allowed. Split it, or save it in a simpler form, and upload it again."
_CRASHED = "The file could not be read: it is damaged or very unusual. Open it in its own program, save it again and upload that."
_UNAVAILABLE = "Files cannot be read at the moment. It will be tried again."


def parse_file(path: Path, source_name: str) -> ParsedDocument:
    """Read a file in a child process. Raises ParseError, whatever the file does to the child."""
    arguments = {"path": str(path), "source_name": source_name}
    data = run_job("ingestion.parsers.jobs:parse", arguments, readable=[path])
    try:
        return ParsedDocument.from_json(json.loads(data))
    except (ValueError, TypeError, KeyError):
        raise ParseError("crashed", _CRASHED) from None


def run_job(function: str, arguments: dict[str, Any], *, readable: Sequence[Path]) -> bytes:
    """Call `module:function` with these arguments in a child that can read `readable` and nothing else; it returns bytes."""
    request = {
        "function": function,
        "arguments": arguments,
        "readable": [str(path.resolve()) for path in readable],
        **_limits(),
    }
    for attempt in (1, 2):
        try:
            return _ask(request)
        except _TemplateLostError:
            logger.warning("The reading process was lost (attempt %d); starting another.", attempt)
    raise ParseError("reader_unavailable", _UNAVAILABLE, permanent=False)


def _limits() -> dict[str, int]:
    memory, seconds = MEMORY_MB, CPU_SECONDS
    from django.conf import settings

    if settings.configured:
        memory, seconds = getattr(settings, "PARSE_MEMORY_MB", memory), getattr(settings, "PARSE_SECONDS", seconds)
    return {"memory": memory * 1024 * 1024, "cpu_seconds": seconds, "wall_seconds": seconds + (seconds + 1) // 2}


# --- One request ------------------------------------------------------------------------------------------------------


class _TemplateLostError(Exception):
    """The template process ended while it was needed."""


@dataclass(frozen=True, slots=True)
class _Ending:
    """How a child ended, as the template saw it."""

    signal: int
    overdue: bool
    peak_kb: int


def _ask(request: dict[str, Any]) -> bytes:
    result, result_end = os.pipe2(os.O_CLOEXEC)
    verdict, verdict_end = os.pipe2(os.O_CLOEXEC)
    try:
        try:
            asked = _template.send(json.dumps(request).encode(), [result_end, verdict_end])
        finally:
            os.close(result_end)
            os.close(verdict_end)
        deadline = time.monotonic() + request["wall_seconds"] + 10
        output = _read_all(result, MAX_OUTPUT + 1, deadline)
        if len(output) > MAX_OUTPUT:
            raise ParseError(
                "output_too_big", f"The file holds more than {MAX_OUTPUT // 2**20} MB of text. Split it and upload the parts."
            )
        ending = _read_all(verdict, 1024, deadline)
    finally:
        os.close(result)  # a child that still writes ends here
        os.close(verdict)
    if not ending:
        _template.drop(asked)
        raise _TemplateLostError
    return _outcome(output, _Ending(**json.loads(ending)), request)


def _read_all(descriptor: int, limit: int, deadline: float) -> bytes:
    """Everything up to the end of the pipe, or the first `limit` bytes."""
    pieces, size = [], 0
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    while size < limit:
        if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise ParseError("took_too_long", _TOO_SLOW)
        piece = os.read(descriptor, min(1024 * 1024, limit - size))
        if not piece:
            break
        pieces.append(piece)
        size += len(piece)
    return b"".join(pieces)


def _outcome(output: bytes, ending: _Ending, request: dict[str, Any]) -> bytes:
    if ending.overdue or ending.signal == signal.SIGXCPU:
        raise ParseError("took_too_long", _TOO_SLOW)
    if ending.signal:
        logger.info("A child reading a file ended by signal %d, at most %d kB in use.", ending.signal, ending.peak_kb)
        # Libraries in C answer a refused allocation by aborting: near the limit that is what it was.
        if ending.peak_kb * 1024 > request["memory"] // 2 or ending.signal == signal.SIGKILL:
            raise ParseError("too_big_to_read", _TOO_BIG)
        raise ParseError("crashed", _CRASHED)
    if output[:1] == b"+":
        return output[1:]
    raise _refusal(output)


def _refusal(output: bytes) -> ParseError:
    try:
        data = json.loads(output[1:]) if output[:1] == b"-" else {}
        code, message = str(data.get("code", "crashed")), str(data.get("message", ""))
    except (ValueError, AttributeError):
        return ParseError("crashed", _CRASHED)
    if code == "out_of_memory":
        return ParseError("too_big_to_read", _TOO_BIG)
    if not message:
        logger.warning("A parser failed: %s", data.get("detail", "no detail"))
        return ParseError("crashed", _CRASHED)
    return ParseError(code[:40], message[:500], permanent=bool(data.get("permanent", True)))


# --- The template process ---------------------------------------------------------------------------------------------


class _Template:
    """This process's own template, started when it is first needed and again when it was lost."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    def send(self, packet: bytes, descriptors: list[int]) -> subprocess.Popen[bytes] | None:
        """Hand a request over; returns the process that has it."""
        with self._lock:
            try:
                socket.send_fds(self._started(), [packet], descriptors)
                return self._process
            except OSError:
                self._drop()
                raise _TemplateLostError from None

    def _started(self) -> socket.socket:
        if self._process is not None and self._process.poll() is not None:
            self._drop()
        return self._control or self._start()

    def _start(self) -> socket.socket:
        # Packets keep their bounds, and the template sees the end of the socket when this process is gone.
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control = ours
        with theirs:
            self._process = subprocess.Popen(
                [os.path.abspath(sys.executable), "-I", "-c", _START, str(_ROOT)],  # it may be .venv/bin/python
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                env={"PATH": os.defpath, "LC_ALL": "C.UTF-8", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
                cwd="/",
                start_new_session=True,  # a Ctrl-C at the terminal is for the worker, which ends the template itself
            )
        ours.settimeout(_START_SECONDS)
        hello = ours.recv(1024)
        if not hello:
            raise OSError("the template ended at its start")
        ours.settimeout(None)
        if json.loads(hello)["has_network"]:
            logger.warning(
                "Files are read without a network namespace of their own; sockets are refused to the readers nevertheless."
            )
        return ours

    def _drop(self) -> None:
        if self._control is not None:
            self._control.close()
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            self._process.wait()
        self._control = self._process = None

    def drop(self, process: subprocess.Popen[bytes] | None) -> None:
        """Be rid of a process that was lost, unless another caller has replaced it already."""
        with self._lock:
            if self._process is process:
                self._drop()

    def close(self) -> None:
        with self._lock:
            self._drop()

    def forget(self) -> None:
        """After a fork: the template is the parent's. The new process starts its own."""
        self._lock = threading.Lock()
        if self._control is not None:
            self._control.close()
        if self._process is not None:
            self._process.returncode = 0  # not ours to wait for
        self._control = self._process = None


_template = _Template()
atexit.register(_template.close)
os.register_at_fork(after_in_child=_template.forget)
