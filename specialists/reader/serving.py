"""The installed reader: a question and passages in, spans out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from django.conf import settings

from specialists.encoders.bundle import read_card
from specialists.encoders.export import is_prepared
from specialists.encoders.pairs import Window
from specialists.encoders.session import FloatArray, SpecialistSession
from specialists.errors import SpecialistError
from specialists.reader.decoding import Candidate, Reading, Span, decode, spans_of

KIND = "reader"
__all__ = ["KIND", "Reader", "ReaderPassage", "Reading", "Span", "get_reader", "read"]


@dataclass(frozen=True, slots=True)
class ReaderPassage:
    """A passage to read. `context` (title and headings) is read before the text; no span lies in it."""

    id: int
    text: str
    context: str = ""


class Reader:
    """A prepared reader. See SpecialistSession for `threads`."""

    def __init__(self, source: Path, prepared: Path, *, threads: int = 0) -> None:
        card = read_card(source, KIND)
        if not is_prepared(prepared, card) and not is_prepared(prepared, card, "fp32"):
            message = "The reader is not prepared. An administrator must run manage.py prepare_specialists."
            raise SpecialistError("specialist_not_prepared", message, permanent=True)
        self.name = card.name
        self.session = SpecialistSession(source, card, prepared, threads=threads)

    def read(self, question: str, passages: Sequence[ReaderPassage]) -> Reading:
        """The spans of all passages that may answer, under one softmax. No passages: an empty reading."""
        candidates: list[Candidate] = []
        relevance: dict[int, float] = {}
        for number, window, (logits, relevant) in self._run(question, passages):
            candidates += spans_of(number, window, logits, answer_tokens=self.session.card.answer_tokens)
            relevance[number] = max(float(relevant[0]), relevance.get(number, float("-inf")))
        return decode(candidates, {passage.id: passage.text for passage in passages}, relevance)

    def relevance(self, question: str, passages: Sequence[ReaderPassage]) -> dict[int, float]:
        """Per passage the log-odds that it holds the answer, by its best window; no spans are decoded."""
        found: dict[int, float] = {}
        for number, _, (_, relevant) in self._run(question, passages):
            found[number] = max(float(relevant[0]), found.get(number, float("-inf")))
        return found

    def _run(self, question: str, passages: Sequence[ReaderPassage]) -> Iterator[tuple[int, Window, tuple[FloatArray, ...]]]:
        """Per window: its passage, the window, and the heads' outputs."""
        places, windows = [], []
        for passage in passages:
            for window in self.session.pairs.windows(question, passage.text, passage.context):
                places.append(passage.id)
                windows.append(window)
        yield from zip(places, windows, self.session.run(windows), strict=True)


@lru_cache(maxsize=1)
def get_reader() -> Reader:
    """The installation's reader. Raises SpecialistError when there is none, it is damaged, or it is not prepared."""
    return Reader(settings.SPECIALISTS_DIR / KIND, settings.MODELS_DIR / KIND)


def read(question: str, passages: Sequence[ReaderPassage]) -> Reading:
    """Read with the installation's reader. Raises SpecialistError."""
    return get_reader().read(question, passages)
