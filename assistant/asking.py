"""Asking from a program: one question, one result that holds everything a script wants to know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import CommandError

from assistant.models import Answer, AnswerState
from assistant.offers import is_unsure, offers_of
from assistant.services import Manner, create_answer
from assistant.streams import run_now
from ingestion.filters import names_of
from ingestion.models import Corpus
from ingestion.permissions import readable_chunks, readable_corpora


def person_named(username: str) -> User:
    person = User.objects.filter(username=username, is_active=True).first()
    if person is None:
        raise CommandError(f"There is no active person named {username!r}.")
    return person


def corpora_named(person: User, names: Sequence[str]) -> list[Corpus]:
    """The corpora of these names or slugs that the person may read; an unknown name and a forbidden one are the same mistake."""
    readable = {key: corpus for corpus in readable_corpora(person).distinct() for key in (corpus.slug, corpus.name)}
    for name in names:
        if name not in readable:
            there = f"There is {names_of(readable.values())}." if readable else "There is none that this person may read."
            raise CommandError(f"{person.username} may read no corpus named {name!r}. {there}")
    return [readable[name] for name in names]


def ask(*, person: User, question: str, corpora: Sequence[Corpus] = ()) -> dict[str, Any]:
    """Ask and wait. The keys are those of `manage.py ask --json`. The person's conversations stay their own: none is left."""
    row = create_answer(user=person, question=question, corpora=corpora, manner=Manner(is_internal=True))
    run_now(row)
    row.refresh_from_db()
    result = as_result(row)
    row.conversation.delete()
    return result


def as_result(row: Answer) -> dict[str, Any]:
    failed = row.state == AnswerState.FAILED
    return {
        "status": row.state,
        "answer": row.error_message if failed else row.text,
        "sentences": [{"text": item["text"], "citations": item["citations"]} for item in row.sentences],
        "citations": [
            {
                "n": citation.number,
                "document": citation.document.source_name if citation.document else None,
                "title": citation.title,
                "page": citation.page,
                "quote": citation.quote,
                "start": citation.start,
                "end": citation.end,
                "passage": citation.passage_id,
            }
            for citation in row.citations.select_related("document")
        ],
        "is_unsure": is_unsure(row),
        "offered": _offered(row),
        "route": row.route,
        "model": row.model,
        "confidence": row.confidence,
        "timings_ms": row.timings_ms,
    }


def _offered(row: Answer) -> list[dict[str, Any]]:
    """Of a refused answer, the words that would have been quoted, the likeliest first, while their documents may be read."""
    offers = offers_of(row)
    chunks = readable_chunks(row.asker, [offer.passage for offer in offers]).select_related("document")
    known = {chunk.pk: chunk for chunk in chunks}
    return [
        {
            "document": known[offer.passage].document.source_name,
            "title": known[offer.passage].document.title,
            "quote": offer.words(known[offer.passage]),
        }
        for offer in offers
        if offer.passage in known
    ]
