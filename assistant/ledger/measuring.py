"""What a piece of work takes: wall time and CPU time, pool threads included.

A thread's own CPU clock misses the pools of ONNX Runtime and of the tokenizer, which do most of the work; the process's
clock holds them, and everything else that runs at the time. So each measured thread is charged its own CPU time, and the
rest of the process's CPU time while anything is measured is shared equally among the measured threads. The sum is never
more than the process used. Pages that are rendered meanwhile are in that rest, so a busy server's figures are somewhat
high. Child processes and GPUs are not counted.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(slots=True)
class Measurement:
    """Filled in when the measured block ends, by an exception too."""

    latency_ms: float = 0.0
    cpu_seconds: float = 0.0


@dataclass(slots=True)
class _Account:
    """A measured thread: its clock, what the clock last said, and what it has been charged."""

    clock: int
    seen: float
    charged: float = 0.0
    depth: int = 0


class _Meter:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._accounts: dict[int, _Account] = {}
        self._seen = 0.0

    def enter(self) -> float:
        """What this thread has been charged so far."""
        thread = threading.get_ident()
        with self._lock:
            self._charge()
            account = self._accounts.get(thread)
            if account is None:
                clock = time.pthread_getcpuclockid(thread)
                account = self._accounts[thread] = _Account(clock, time.clock_gettime(clock))
            account.depth += 1
            return account.charged

    def leave(self) -> float:
        thread = threading.get_ident()
        with self._lock:
            self._charge()
            account = self._accounts[thread]
            account.depth -= 1
            if not account.depth:
                del self._accounts[thread]
            return account.charged

    def _charge(self) -> None:
        """Share out what the process has used since the last time."""
        now = time.process_time()
        rest = now - self._seen
        self._seen = now
        for account in self._accounts.values():
            own = time.clock_gettime(account.clock)
            account.charged += own - account.seen
            rest -= own - account.seen
            account.seen = own
        for account in self._accounts.values():
            account.charged += max(rest, 0.0) / len(self._accounts)


_meter = _Meter()


@contextmanager
def measure() -> Iterator[Measurement]:
    """Measure the block. May be nested; the inner block's figures are then part of the outer one's."""
    measurement = Measurement()
    started = time.perf_counter()
    before = _meter.enter()
    try:
        yield measurement
    finally:
        measurement.cpu_seconds = _meter.leave() - before
        measurement.latency_ms = (time.perf_counter() - started) * 1000
