"""Questions for the first page that are made from headings."""

from __future__ import annotations

import pytest

from assistant.suggestions import SHOWN, suggested_questions
from ingestion.models import Chunk, Document
from ingestion.services import create_corpus
from tests.assistant.rows import make_document
from tests.people import People

pytestmark = pytest.mark.django_db


def add_heading(document: Document, heading: str, *, revision: int = 1) -> None:
    Chunk.objects.create(
        document=document, revision=revision, position=1, start=0, end=5, heading_path=[document.title, heading], text="Words.",
        context="", sentences=[],
    )  # fmt: skip


def test_it_looks_on_where_the_newest_documents_have_nothing_to_ask_about(people: People) -> None:
    corpus = create_corpus(name="House", owner=people.olga)
    for number in range(SHOWN + 2):
        add_heading(make_document(corpus, f"Guide {number}", ["Words."]), f"Rule number {number}")
    draft = make_document(corpus, "Draft", ["Words."])
    add_heading(draft, "Not live yet", revision=2)
    for number in range(25):
        make_document(corpus, f"Picture {number}", ["Words."])

    assert suggested_questions(people.ben) == [
        f"What does Guide {number} say about Rule number {number}?" for number in reversed(range(2, SHOWN + 2))
    ]
