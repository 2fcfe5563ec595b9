"""What crosses the retrieval app's doors: a passage goes in, a hit comes out. Ids and text only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatMatrix = NDArray[np.float32]  # (rows, dimension)
IdArray = NDArray[np.int64]  # (rows,)


@dataclass(frozen=True, slots=True)
class Passage:
    """A text to be found. `context` (title, heading path, table header) is embedded and indexed with the text."""

    id: int
    text: str
    context: str = ""

    @property
    def searchable_text(self) -> str:
        return f"{self.context}\n{self.text}" if self.context else self.text


class Hit(NamedTuple):
    """A passage that a search found. Scores order the hits of one list; they are not probabilities. A tuple, because a search
    makes some seven hundred."""

    id: int
    score: float


def best_first(hit: Hit) -> tuple[float, int]:
    """The order of every list of hits: score descending, equal scores by id."""
    return (-hit.score, hit.id)


def hits_of(ids: IdArray, scores: NDArray[np.float32]) -> list[Hit]:
    """The hits of these ids (n,) with these scores (n,), in the same order."""
    return list(map(Hit, ids.tolist(), scores.tolist()))


def without_surrogates(text: str) -> str:
    """Half a surrogate pair (JSON can carry one) is no valid UTF-8, and the native libraries refuse it; it becomes "?"."""
    return text.encode("utf-8", "replace").decode("utf-8")
