"""Questions for the first page. Each is offered only to those who may read the document that answers it."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib.auth.models import User
from django.db.models import F, QuerySet

from assistant.models import SuggestedQuestion
from ingestion.models import Chunk, Corpus, Document, DocumentState
from ingestion.permissions import readable_documents

SHOWN = 6
LOOKED_AT = 20  # documents at once; many have no heading that could be asked about
MOST_LOOKED_AT = 200


def suggested_questions(user: User, *, corpora: Sequence[Corpus] = ()) -> list[str]:
    """The chosen questions; where none are chosen, questions made from headings of recent documents. `corpora` narrows them."""
    readable = readable_documents(user).filter(state=DocumentState.READY)
    readable = readable.filter(corpus__in=corpora) if corpora else readable
    chosen = SuggestedQuestion.objects.filter(document__in=readable).values_list("text", flat=True)[:SHOWN]
    return list(chosen) or _from_headings(readable.order_by("-updated_at"))


def _from_headings(documents: QuerySet[Document]) -> list[str]:
    """One for each of the first documents that have such a heading."""
    found: list[str] = []
    for first in range(0, MOST_LOOKED_AT, LOOKED_AT):
        titles = dict(documents.values_list("pk", "title")[first : first + LOOKED_AT])
        questions = _questions_about(titles)
        found += [questions[pk] for pk in titles if pk in questions]
        if len(found) >= SHOWN or len(titles) < LOOKED_AT:
            break
    return found[:SHOWN]


def _questions_about(titles: dict[int, str]) -> dict[int, str]:
    """By document."""
    questions: dict[int, str] = {}
    live = Chunk.objects.filter(document__in=titles, revision=F("document__revision"), position__gt=0).order_by("position")
    for document_id, path in live.values_list("document_id", "heading_path"):
        heading = path[-1] if path else ""
        if document_id not in questions and 4 < len(heading) <= 50 and heading != titles[document_id]:
            questions[document_id] = f"What does {titles[document_id]} say about {heading}?"
    return questions
