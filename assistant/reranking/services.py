"""Setting a corpus's choice."""

from __future__ import annotations

from assistant.reranking.models import Choice, CorpusReranking
from ingestion.models import Corpus


def set_choice(*, corpus: Corpus, choice: str) -> None:
    """It counts from the next question on. Raises ValueError for what is no choice."""
    CorpusReranking.objects.update_or_create(corpus=corpus, defaults={"choice": Choice(choice)})
