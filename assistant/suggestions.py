"""Questions for the first page. Each is offered only to those who may read the document that answers it."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib.auth.models import User

from assistant.models import SuggestedQuestion
from ingestion.models import Chunk, Corpus, DocumentState
from ingestion.permissions import readable_documents

SHOWN = 6


def suggested_questions(user: User, *, corpora: Sequence[Corpus] = ()) -> list[str]:
    """The chosen questions; where none are chosen, questions made from headings of recent documents. `corpora` narrows them."""
    readable = readable_documents(user).filter(state=DocumentState.READY)
    readable = readable.filter(corpus__in=corpora) if corpora else readable
    chosen = SuggestedQuestion.objects.filter(document__in=readable).values_list("text", flat=True)[:SHOWN]
    return list(chosen) or _from_headings(readable.order_by("-updated_at").values_list("pk", "title")[:SHOWN])


def _from_headings(documents: object) -> list[str]:
    titles = dict(documents)  # type: ignore[call-overload]
    questions: dict[int, str] = {}
    for document_id, path in Chunk.objects.filter(document__in=titles, position__gt=0).values_list("document_id", "heading_path"):
        heading = path[-1] if path else ""
        if document_id not in questions and 4 < len(heading) <= 50 and heading != titles[document_id]:
            questions[document_id] = f"What does {titles[document_id]} say about {heading}?"
    return list(questions.values())
