"""Places at a model: so many requests at once, the others in line, and nobody behind a long one."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from specialists.errors import SpecialistError

ORDINALS = ("first", "second", "third", "fourth", "fifth")
TELL_S = 1.0  # how often who waits hears of it, so that it can go away


class Line:
    """Thread-safe, first come first served. `places` requests at once, at most `longest` in line, each for `patience_s`."""

    def __init__(self, places: int, *, longest: int = 16, patience_s: float = 30.0) -> None:
        self.places = places
        self.longest = longest
        self.patience_s = patience_s
        self._free = places
        self._waiting: deque[threading.Event] = deque()
        self._lock = threading.Lock()

    @contextmanager
    def place(self) -> Iterator[None]:
        """Waits for a place and gives it back. Raises SpecialistError `model_busy`, with the place in line."""
        with self.turn() as waiting:
            for _ in waiting:
                pass
            yield

    @contextmanager
    def turn(self) -> Iterator[Iterator[int]]:
        """Comes to the line: gives how many are before it, now and every TELL_S, until it has its place. Leaves the line, or
        gives the place back. Raises SpecialistError `model_busy`, with the place in line."""
        turn = self._come()
        try:
            yield self._waits(turn)
        finally:
            self._go(turn)

    def _come(self) -> threading.Event:
        turn = threading.Event()
        with self._lock:
            if self._free and not self._waiting:
                self._free -= 1
                turn.set()
                return turn
            if len(self._waiting) >= self.longest:
                raise _busy(len(self._waiting) + 1)
            self._waiting.append(turn)
        return turn

    def _waits(self, turn: threading.Event) -> Iterator[int]:
        end = time.monotonic() + self.patience_s
        while not turn.is_set():
            with self._lock:
                before = self._waiting.index(turn) if turn in self._waiting else None
            if before is None:  # its place came just now
                return
            left = end - time.monotonic()
            if left <= 0:
                raise _busy(before + 1)
            yield before
            turn.wait(min(TELL_S, left))

    def _go(self, turn: threading.Event) -> None:
        with self._lock:
            if turn in self._waiting:
                self._waiting.remove(turn)
            elif self._waiting:
                self._waiting.popleft().set()  # the place goes on without being free in between
            else:
                self._free += 1


def _busy(position: int) -> SpecialistError:
    said = ORDINALS[position - 1] if position <= len(ORDINALS) else f"number {position}"
    return SpecialistError("model_busy", f"The language model is busy; this question was {said} in line.")
