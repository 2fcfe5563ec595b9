"""Places at a model: so many requests at once, the others in line, and nobody behind a long one."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from specialists.errors import SpecialistError

ORDINALS = ("first", "second", "third", "fourth", "fifth")


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
        self._take()
        try:
            yield
        finally:
            self._give_back()

    def _take(self) -> None:
        with self._lock:
            if self._free and not self._waiting:
                self._free -= 1
                return
            if len(self._waiting) >= self.longest:
                raise _busy(len(self._waiting) + 1)
            turn = threading.Event()
            self._waiting.append(turn)
        if turn.wait(self.patience_s):
            return
        with self._lock:
            if turn.is_set():  # it came just now
                return
            position = self._waiting.index(turn) + 1
            self._waiting.remove(turn)
        raise _busy(position)

    def _give_back(self) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set()  # the place goes on without being free in between
            else:
                self._free += 1


def _busy(position: int) -> SpecialistError:
    said = ORDINALS[position - 1] if position <= len(ORDINALS) else f"number {position}"
    return SpecialistError("model_busy", f"The language model is busy; this question was {said} in line.")
