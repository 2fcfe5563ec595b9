"""Something heavy that is loaded once, by whoever needs it first; the others are not kept waiting for long."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from specialists.errors import SpecialistError

logger = logging.getLogger(__name__)

T = TypeVar("T")
RETRY_S = 60.0


class Once(Generic[T]):
    """Thread-safe. What failed for good is not tried again before the next start; what may go better, after RETRY_S."""

    def __init__(
        self, load: Callable[[], T], *, patience_s: float = 5.0, clock: Callable[[], float] = time.monotonic
    ) -> None:  # fmt: skip
        self.patience_s = patience_s
        self._load = load
        self._clock = clock
        self._lock = threading.Lock()
        self._value: T | None = None
        self._failure: SpecialistError | None = None
        self._retry_at = 0.0

    def get(self) -> T:
        """Raises SpecialistError: that of `load`, and `model_loading` while another thread loads."""
        if self._value is not None:
            return self._value
        if not self._lock.acquire(timeout=self.patience_s):
            raise SpecialistError("model_loading", "The language model is still being loaded.")
        try:
            if self._value is None:
                self._value = self._loaded()
            return self._value
        finally:
            self._lock.release()

    def peek(self) -> T | None:
        """What is loaded already; loads nothing."""
        return self._value

    def _loaded(self) -> T:
        if self._failure is not None and (self._failure.permanent or self._clock() < self._retry_at):
            raise self._failure.with_traceback(None)
        try:
            return self._load()
        except SpecialistError as error:
            self._failure = error
            raise
        except Exception as error:  # what nobody foresaw must not be loaded anew by every question either
            logger.exception("The language model cannot be loaded")
            self._failure = SpecialistError("model_broken", "The language model cannot be loaded. The log says why.")
            raise self._failure from error
        finally:
            self._retry_at = self._clock() + RETRY_S
