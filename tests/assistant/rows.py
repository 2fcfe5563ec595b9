"""Rows for the tests of the pages: documents with their text, and answers in every state, without a model at work."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib.auth.models import User

from assistant.models import Answer, AnswerState, Citation, Conversation
from ingestion.audiences import get_partition
from ingestion.models import Corpus, Document, DocumentState, DocumentText

TIMINGS = {"authorize": 2.0, "retrieve": 120.0, "gate": 3.0, "compose": 90.0, "total": 215.0}


def make_document(corpus: Corpus, title: str, paragraphs: Sequence[str]) -> Document:
    """A document that is ready to be read and cited: a heading and its paragraphs."""
    document = Document.objects.create(
        corpus=corpus, partition=get_partition(corpus, None), source_name=f"{title}.md", title=title, file="", format="md",
        sha256="0" * 64, size=1, state=DocumentState.READY, revision=1,
    )  # fmt: skip
    text, blocks = "", []
    for index, part in enumerate([title, *paragraphs]):
        kind = "paragraph" if index else "heading"
        blocks.append({"kind": kind, "start": len(text), "end": len(text) + len(part), "level": 0 if index else 1})
        text += part + "\n\n"
    DocumentText.objects.create(document=document, text=text, blocks=blocks)
    return document


def make_answer(user: User, question: str, *, conversation: Conversation | None = None, **fields: object) -> Answer:
    conversation = conversation or Conversation.objects.create(user=user, title=question[:80])
    return Answer.objects.create(conversation=conversation, question=question, **fields)


def make_answered(
    user: User, question: str, quotes: Sequence[tuple[Document, str]], *, conversation: Conversation | None = None
) -> Answer:
    """An answer that quotes these words of these documents, one sentence each."""
    answer = make_answer(
        user, question, conversation=conversation, state=AnswerState.ANSWERED, route="extractive", model="sentence-composer-1",
        corpora_searched=2, timings_ms=TIMINGS, passages=[{"passage": 1, "score": 1.0}] * 12,
        sentences=[{"text": quote, "citations": [number]} for number, (_, quote) in enumerate(quotes, start=1)],
    )  # fmt: skip
    for number, (document, quote) in enumerate(quotes, start=1):
        start = document.content.text.index(quote)
        passage = document.chunks.filter(text__contains=quote).first()  # some tests make none
        Citation.objects.create(
            answer=answer, number=number, document=document, document_revision=1,
            passage_id=passage.pk if passage else number, title=document.title,
            heading_path=["Annual leave"], quote=quote, start=start, end=start + len(quote),
        )  # fmt: skip
    return answer
