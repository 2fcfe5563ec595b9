"""The adapters of one folder: those that came since the last look are there, too, and each is put on the network when it is first
asked for. So a version that is put into use is served without a restart, and one that nobody asks for takes no memory."""

from __future__ import annotations

import logging
import threading
from functools import cached_property
from pathlib import Path
from typing import Any

from specialists.errors import SpecialistError
from specialists.language_models.adapters import CONFIG, Adapter, attach, check_sum, read_adapter
from specialists.language_models.folders import ModelFolder
from specialists.language_models.types import known_adapter

logger = logging.getLogger(__name__)


class Shelf:
    """`parent` None: no adapters. Thread-safe but for `attach`, which whoever holds the network calls."""

    def __init__(self, parent: Path | None, base: ModelFolder) -> None:
        self._parent = parent
        self._base = base
        self._lock = threading.Lock()
        self._adapters: dict[str, Adapter] = {}
        self._refused: dict[str, SpecialistError] = {}
        self._attached: set[str] = set()

    def names(self) -> tuple[str, ...]:
        self._look()
        return tuple(sorted(self._adapters))

    def attached(self) -> tuple[str, ...]:
        """The names of those that are on the network."""
        return tuple(sorted(name for name, adapter in self._adapters.items() if adapter.inner in self._attached))

    def get(self, name: str) -> Adapter | None:
        """None for the model itself, which has no name. Raises SpecialistError `adapter_unknown`, or why it is refused."""
        if not name:
            return None
        self._look()
        if name in self._refused:
            raise self._refused[name].with_traceback(None)
        return self._adapters[known_adapter(name, tuple(self._adapters))]

    def attach(self, network: Any, adapter: Adapter) -> None:
        """Once for each. Raises SpecialistError `adapter_refused`, now and whenever it is asked for again."""
        if adapter.inner in self._attached:
            return
        try:
            check_sum(adapter, lambda: self._base_sha256)
            attach(network, adapter)
        except SpecialistError as error:
            if error.permanent:
                self._refuse(adapter.name, error)
            raise
        self._attached.add(adapter.inner)

    @cached_property
    def _base_sha256(self) -> str:
        return self._base.weights_sha256()

    def _look(self) -> None:
        """A folder is read once. Those whose names begin with a dot are still being written."""
        with self._lock:
            for folder in sorted(self._parent.iterdir()) if self._parent else ():
                is_known = folder.name in self._adapters or folder.name in self._refused
                if is_known or folder.name.startswith(".") or not (folder / CONFIG).is_file():
                    continue
                try:
                    count = len(self._adapters) + len(self._refused)
                    self._adapters[folder.name] = read_adapter(folder, f"adapter_{count}", self._base)
                except SpecialistError as error:
                    self._refuse(folder.name, error)

    def _refuse(self, name: str, error: SpecialistError) -> None:
        logger.warning("%s", error.public_message)
        self._refused[name] = error
        self._adapters.pop(name, None)
