"""How a domain's own training is compared: what is held out, where it is done, and from which specialists it starts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Plan:
    """`specialists`: the folder of the general ones, by kind. `limit`: at most so many held-out rows, 0 for all."""

    output: Path
    specialists: Path
    say: Callable[[str], None]
    report: Callable[[int, int, float, float], None]
    test_share: float = 0.3
    epochs: int = 3
    learning_rate: float = 1e-4
    seed: int = 7
    limit: int = 0

    def start(self, kind: str) -> Path:
        return self.specialists / kind
