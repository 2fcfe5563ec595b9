"""The installed head of the groundedness check."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from django.conf import settings

from specialists.encoders.bundle import CARD, read_card
from specialists.encoders.export import is_prepared
from specialists.encoders.session import SpecialistSession
from specialists.errors import SpecialistError
from specialists.grounding.checker import Head
from specialists.grounding.layout import nearest_window, pieces, support

KIND = "grounding"
THRESHOLD = 0.5  # where the card has none


class GroundingHead:
    """A prepared head. See SpecialistSession for `threads`."""

    def __init__(self, source: Path, prepared: Path, *, threads: int = 0) -> None:
        card = read_card(source, KIND)
        if not is_prepared(prepared, card) and not is_prepared(prepared, card, "fp32"):
            message = "The groundedness check is not prepared. An administrator must run manage.py prepare_specialists."
            raise SpecialistError("specialist_not_prepared", message, permanent=True)
        self.name = card.name
        self.threshold = float(card.figures.get("threshold", THRESHOLD))
        self._session = SpecialistSession(source, card, prepared, threads=threads)

    def probabilities(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """Of a claim that is laid out in several pieces, the least."""
        owners, windows = [], []
        for place, (claim, passage) in enumerate(pairs):
            for piece in pieces(self._session.pairs, claim):
                owners.append(place)
                windows.append(nearest_window(self._session.pairs, piece, passage))
        found = [1.0] * len(pairs)
        for place, window, (logits,) in zip(owners, windows, self._session.run(windows), strict=True):
            found[place] = min(found[place], support(logits, window))
        return found


@lru_cache(maxsize=1)
def get_head() -> Head | None:
    """The installation's head; None when none is installed. Raises SpecialistError when it is damaged or not prepared."""
    source = settings.SPECIALISTS_DIR / KIND
    return GroundingHead(source, settings.MODELS_DIR / KIND) if (source / CARD).is_file() else None
