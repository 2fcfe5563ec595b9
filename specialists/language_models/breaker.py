"""A circuit breaker: after some failures in a row a server is left alone for a while, so that nobody waits for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

FAILURES = 3
FIRST_REST_S = 10.0
LONGEST_REST_S = 120.0


class Breaker:
    """Thread-safe. Closed: all may go. Open: none until the rest is over; then one may try, whose success closes it and whose
    failure doubles the rest."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._rest = FIRST_REST_S
        self._closed_until: float | None = None

    def may_try(self) -> bool:
        """Whether to go to the server now. Who is let through while it is open must report."""
        with self._lock:
            if self._closed_until is None:
                return True
            now = self._clock()
            if now < self._closed_until:
                return False
            self._closed_until = now + self._rest  # the others wait for what this one reports
            return True

    def seconds_left(self) -> float:
        with self._lock:
            return 0.0 if self._closed_until is None else max(0.0, self._closed_until - self._clock())

    def released(self) -> None:
        """Who was let through learnt nothing of the server: another may try at once, and nothing is counted."""
        with self._lock:
            if self._closed_until is not None:
                self._closed_until = self._clock()

    def succeeded(self) -> None:
        with self._lock:
            self._failures, self._rest, self._closed_until = 0, FIRST_REST_S, None

    def failed(self) -> None:
        with self._lock:
            self._failures += 1
            if self._closed_until is not None:
                self._rest = min(2 * self._rest, LONGEST_REST_S)
            if self._failures >= FAILURES:
                self._closed_until = self._clock() + self._rest
