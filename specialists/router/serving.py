"""The installed router, loaded once: what its heads say of a question."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from django.conf import settings

from retrieval.embedders import get_embedder
from retrieval.passages import FloatMatrix
from specialists.errors import SpecialistError
from specialists.router.classifier import Classifier
from specialists.router.storage import CARD, RouterCard, read_router
from specialists.router.types import RouteScores

INTENT, SENTIMENT, URGENCY = "intent", "sentiment", "urgency"
logger = logging.getLogger(__name__)
_loading = threading.Lock()


@dataclass(frozen=True, slots=True)
class Router:
    card: RouterCard
    heads: dict[str, Classifier]

    def score(self, question: str, vector: FloatMatrix) -> RouteScores:
        """`vector`: the question's embedding, (dimension,). Takes about a millisecond."""
        row = np.asarray(vector, np.float32).reshape(1, -1)
        found = {name: head.score([question], row) for name, head in self.heads.items()}
        shares = {
            name: dict(zip(self.heads[name].labels, map(float, scores.probabilities[0]), strict=True))
            for name, scores in found.items()
        }
        return RouteScores(
            intent=shares[INTENT],
            sentiment=shares.get(SENTIMENT, {}),
            urgency=shares.get(URGENCY, {}),
            outside=float(found[INTENT].outside[0]),
            outside_threshold=self.heads[INTENT].outsider.threshold,
        )


def installed_folder() -> Path:
    """The router learnt from this installation's outcomes when there is one, else the one that is shipped."""
    own = Path(settings.DATA_DIR) / "router" / "learnt"
    return own if (own / CARD).is_file() else Path(settings.SPECIALISTS_DIR) / "router"


def get_router() -> Router:
    """The learnt router, or, where that cannot be used, the shipped one.

    Raises SpecialistError `specialist_missing`, `specialist_corrupt` or `specialist_mismatch`, RetrievalError."""
    embedder, folder = get_embedder().name, installed_folder()
    with _loading:
        try:
            return load_router(folder, _stamp(folder), embedder)
        except SpecialistError as error:
            shipped = Path(settings.SPECIALISTS_DIR) / "router"
            if folder == shipped:
                raise
            logger.warning("The shipped router is used. %s", error.public_message)
            return load_router(shipped, _stamp(shipped), embedder)


@lru_cache(maxsize=2)
def load_router(folder: Path, _stamp: float, embedder: str) -> Router:
    """`_stamp` makes a router that was trained anew load anew."""
    card, heads = read_router(folder, embedder=embedder)
    if INTENT not in heads:
        message = f"The router in {folder} has no head “intent”. Train it on a folder that has intent.train.jsonl."
        raise SpecialistError("specialist_mismatch", message, permanent=True)
    return Router(card, heads)


def _stamp(folder: Path) -> float:
    try:
        return (folder / CARD).stat().st_mtime
    except FileNotFoundError:
        return 0.0
