"""Questions for the first page, and those that could be asked next. Each is offered only to those who may read the document that
answers it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from django.contrib.auth.models import User
from django.db.models import F, QuerySet

from assistant.models import SuggestedQuestion
from ingestion.models import Chunk, Corpus, Document, DocumentState
from ingestion.permissions import readable_documents

SHOWN = 6
LOOKED_AT = 20  # documents at once; many have no heading that could be asked about
MOST_LOOKED_AT = 200
FOLLOW_UPS_SHOWN = 3
LEAST_WORDS = 2  # of a heading with a question mark that asks something by itself, and not “Found something?”
QUESTION_WORDS = frozenset({"what", "who", "where", "when", "how", "why", "which"})


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


def next_questions(document: int, title: str, place: str) -> tuple[str, ...]:
    """About the other sections of the document that answered, which the asker may read. `place`: the section that did."""
    paths = Chunk.objects.filter(document=document).order_by("position").values_list("heading_path", flat=True)
    opening = next((path[-1] for path in paths if path), "")  # the title or what stands below it
    headings = list(dict.fromkeys(path[-1] for path in paths if path and path[-1] not in (place, opening)))
    return tuple(question for heading in headings if (question := _question_about(heading, title)))[:FOLLOW_UPS_SHOWN]


def _question_about(heading: str, title: str) -> str:
    """A heading that is a question already, or one about it; empty for headings that name nothing."""
    if heading.endswith("?"):
        return heading if len(heading.split()) > LEAST_WORDS else ""
    name = re.sub(r"^[\d.\s§]+", "", heading).rstrip(".:")
    if len(name.split()) < 2 or len(name) > 50 or name.lower() in title.lower() or name.split()[0].lower() in QUESTION_WORDS:
        return ""
    return f"What does “{title}” say about “{name}”?"
