"""Whom a question goes to: the corpus, of those that the asker may read, whose documents came nearest to answering it."""

from __future__ import annotations

from collections import defaultdict

from django.contrib.auth.models import User

from assistant.models import Answer
from ingestion.models import Corpus
from ingestion.permissions import readable_corpora, readable_documents


def nearest_corpus(answer: Answer, asker: User) -> Corpus | None:
    """By what was found, else of the conversation's own corpora; None: the administrators.

    The asker's own corpora come last, since the asker did not know the answer.
    """
    by_nearness = [*_corpora_found(answer, asker), *answer.conversation.corpora.order_by("name").values_list("pk", flat=True)]
    readable = readable_corpora(asker).select_related("owner").in_bulk(by_nearness)
    corpora = [readable[pk] for pk in dict.fromkeys(by_nearness) if pk in readable]
    return next((corpus for corpus in corpora if corpus.owner_id != asker.pk), corpora[0] if corpora else None)


def _corpora_found(answer: Answer, asker: User) -> list[int]:
    """The corpora of the passages, the nearest first: each passage counts by the inverse of its rank."""
    documents = [item["document"] for item in answer.passages if "document" in item]
    places = dict(readable_documents(asker).filter(pk__in=documents).values_list("pk", "corpus"))
    weights: dict[int, float] = defaultdict(float)
    for rank, document in enumerate(documents, start=1):
        if document in places:
            weights[places[document]] += 1 / rank
    return sorted(weights, key=lambda corpus: -weights[corpus])
