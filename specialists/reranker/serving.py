"""The installed reranker: a question and passages in, their order's scores out."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from django.conf import settings

from specialists.encoders.bundle import CARD, read_card
from specialists.encoders.export import is_prepared
from specialists.encoders.session import SpecialistSession
from specialists.errors import SpecialistError
from specialists.reader.serving import ReaderPassage

KIND = "reranker"


class Reranker:
    """A prepared reranker. See SpecialistSession for `threads`."""

    def __init__(self, source: Path, prepared: Path, *, threads: int = 0) -> None:
        card = read_card(source, KIND)
        if not is_prepared(prepared, card) and not is_prepared(prepared, card, "fp32"):
            message = "The reranker is not prepared. An administrator must run manage.py prepare_specialists."
            raise SpecialistError("specialist_not_prepared", message, permanent=True)
        self.name = card.name
        self.session = SpecialistSession(source, card, prepared, threads=threads)

    def relevance(self, question: str, passages: Sequence[ReaderPassage]) -> dict[int, float]:
        """Per passage its log-odds, up to a constant of the question, that it answers: by its best window."""
        places, windows = [], []
        for passage in passages:
            for window in self.session.pairs.windows(question, passage.text, passage.context):
                places.append(passage.id)
                windows.append(window)
        found: dict[int, float] = {}
        for place, (relevant,) in zip(places, self.session.run(windows), strict=True):
            found[place] = max(float(relevant[0]), found.get(place, float("-inf")))
        return found


@lru_cache(maxsize=1)
def get_reranker() -> Reranker | None:
    """The installation's reranker; None when none is installed. Raises SpecialistError when it is damaged or not prepared."""
    source = settings.SPECIALISTS_DIR / KIND
    return Reranker(source, settings.MODELS_DIR / KIND) if (source / CARD).is_file() else None
