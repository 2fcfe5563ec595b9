"""The process that reads files: a warm template with the parsers loaded, forked once for every job.

Started by sandbox.py as `python -I -c …` with one end of a socket pair as its standard input. A request is one packet: JSON
with the function to call, its arguments and the limits, and two descriptors: the pipe for the child's result and the pipe
for the template's verdict on how the child ended.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ingestion.parsers import confinement

MAX_REQUEST = 64 * 1024
_PRELOADED = (
    "ingestion.parsers.formats", "ingestion.parsers.pdf", "ingestion.parsers.pdf_pages", "ingestion.parsers.docx",
    "ingestion.parsers.pptx", "ingestion.parsers.xlsx", "ingestion.parsers.html", "ingestion.parsers.markdown",
    "ingestion.parsers.eml", "ingestion.parsers.mbox", "ingestion.parsers.json_records", "ingestion.parsers.code", "pypdfium2",
    "pypdfium2.raw", "PIL.Image", "PIL.PngImagePlugin", "lxml.etree", "docx", "pptx", "openpyxl", "selectolax.lexbor",
    "markdown_it", "charset_normalizer", "encodings.idna",
)  # fmt: skip
_OUT_OF_MEMORY = b'-{"code": "out_of_memory"}'


@dataclass(frozen=True, slots=True)
class _Child:
    verdict: int  # the pipe on which the template tells how it ended
    deadline: float


def main() -> None:
    """Serve requests until the other end of the socket is closed."""
    control = socket.socket(fileno=0)
    has_network = not confinement.leave_network()
    _preload()
    gc.collect()
    gc.freeze()  # so that the children's collector does not copy the template's pages
    control.send(json.dumps({"has_network": has_network}).encode())
    _Server(control).serve()


def _preload() -> None:
    import charset_normalizer
    import docx
    import pptx

    for name in _PRELOADED:
        importlib.import_module(name)
    docx.Document()  # what a library reads and compiles at its first document, it reads and compiles here
    pptx.Presentation()
    _library_folders()
    charset_normalizer.from_bytes("Grüße aus Köln, schöne Straße".encode("cp1252")).best()


class _Server:
    def __init__(self, control: socket.socket) -> None:
        self.control = control
        self.children: dict[int, _Child] = {}
        self.overdue: set[int] = set()

    def serve(self) -> None:
        wakeup, wakeup_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wakeup_end, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        selector = selectors.DefaultSelector()
        selector.register(self.control, selectors.EVENT_READ)
        selector.register(wakeup, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select(self._patience()):
                if key.fileobj is self.control:
                    if not self._accept():
                        return
                else:
                    with contextlib.suppress(BlockingIOError):
                        os.read(wakeup, 512)
            self._kill_overdue()
            self._reap()

    def _patience(self) -> float | None:
        if not self.children:
            return None
        return max(0.0, min(child.deadline for child in self.children.values()) - time.monotonic())

    def _accept(self) -> bool:
        packet, descriptors, _, _ = socket.recv_fds(self.control, MAX_REQUEST, 2)
        if not packet:
            return False
        request = json.loads(packet)
        result, verdict = descriptors
        template = os.getpid()
        pid = os.fork()
        if pid == 0:
            _run_child(request, result, template)
        os.close(result)
        self.children[pid] = _Child(verdict, time.monotonic() + float(request["wall_seconds"]))
        return True

    def _kill_overdue(self) -> None:
        now = time.monotonic()
        for pid, child in list(self.children.items()):
            if child.deadline <= now and pid not in self.overdue:
                self.overdue.add(pid)
                _kill_group(pid)

    def _reap(self) -> None:
        for pid, status, usage in _ended_children():
            child = self.children.pop(pid, None)
            if child is None:
                continue
            number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
            verdict = {"signal": number, "overdue": pid in self.overdue, "peak_kb": usage.ru_maxrss}
            self.overdue.discard(pid)
            _kill_group(pid)  # whatever the child may have left behind
            with contextlib.suppress(BrokenPipeError):  # the asker has gone
                os.write(child.verdict, json.dumps(verdict).encode())
            os.close(child.verdict)


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _ended_children() -> Iterator[tuple[int, int, Any]]:
    while True:
        try:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        yield pid, status, usage


def _run_child(request: dict[str, Any], result: int, template: int) -> None:
    """Confine this process, do the job, write "+" and its bytes or "-" and the error, and end. Never returns."""
    try:
        _confine(request, result, template)
        answer = _answer(request)
    except MemoryError:
        answer = _OUT_OF_MEMORY
    except BaseException as error:  # noqa: BLE001 - whatever happens, the child ends here with a result, never in the server's loop
        answer = _error("crashed", detail=_place_of(error))
    try:
        view = memoryview(answer)
        while view:
            view = view[os.write(1, view) :]
    finally:
        os._exit(0)


def _confine(request: dict[str, Any], result: int, template: int) -> None:
    os.setsid()
    confinement.die_with_parent(template)
    signal.alarm(int(request["wall_seconds"]) + 5)  # should the template not be there to end it
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(result, 1)
    for descriptor in (0, 2):
        os.dup2(null, descriptor)
    os.closerange(3, 4096)  # the control socket and the other children's pipes among them
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    os.environ.clear()
    confinement.limit_resources(memory=int(request["memory"]), cpu_seconds=int(request["cpu_seconds"]))
    confinement.forbid_new_privileges()
    confinement.forbid_files([*_library_folders(), *map(Path, request["readable"])])
    confinement.forbid_calls()


@cache
def _library_folders() -> list[Path]:
    """Where late imports and the libraries' own data come from. The product's data folder is not among them."""
    here = Path(__file__).resolve().parent.parent
    system = ("/usr/lib", "/usr/local/lib", "/lib", "/lib64", "/usr/share/zoneinfo", "/usr/share/fonts", "/etc/ld.so.cache")
    site = (Path(entry) for entry in sys.path if entry.endswith(("site-packages", "dist-packages")))
    standard = Path(os.__file__).resolve().parent
    return [here, standard, *site, *map(Path, system), Path("/dev/null"), Path("/dev/urandom")]


def _answer(request: dict[str, Any]) -> bytes:
    from ingestion.parsers.base import ParseError

    module, _, name = str(request["function"]).partition(":")
    try:
        return b"+" + getattr(importlib.import_module(module), name)(**request["arguments"])
    except ParseError as error:
        return _error(error.code, message=error.public_message, permanent=error.permanent)


def _error(code: str, **rest: object) -> bytes:
    return b"-" + json.dumps({"code": code, **rest}).encode()


def _place_of(error: BaseException) -> str:
    """The error's type and where it was raised, for the log; never its text, which may quote the document."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace is not None else "?"
    return f"{type(error).__name__} at {place}"
