"""How far the reading of a long document has come."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """`done` of `total` parts are read."""

    done: int
    total: int
