"""Specialists of the organization: their data sets and versions through the pages, and who is answered by which adapter."""

from __future__ import annotations

from typing import Any

import pytest

from assistant.finetuning.editing import create_specialist
from assistant.finetuning.models import DataSet, DataSetRow, DataSetState, RowPassage, Specialist
from assistant.finetuning.worker import work_until_empty
from ingestion.models import Corpus, Document
from ingestion.services import create_corpus
from tests.assistant.pages import client_of, text_of
from tests.assistant.rows import make_document
from tests.people import LEAVE, People, add_text

TRAVEL = """# Travel policy

## Booking a train

Trains are booked in second class through the travel desk, at least one week before the journey.

## Hotels abroad

A hotel abroad may cost up to 140 euros a night, breakfast included.

## Can I bring my dog?

Dogs may come along on journeys inside the country when the host agrees in writing.
"""
SECRET_PAY = """# Pay of directors

## Bonus of the directors

The directors receive a bonus of 44 percent of their salary each March.

## Pensions of the directors

The pension of a director is paid from the age of 58 onwards.
"""


@pytest.fixture
def corpus(people: People) -> Corpus:
    """Everyone reads it; Olga owns it, Ada administers."""
    return create_corpus(name="Policies", owner=people.olga)


@pytest.fixture
def specialist(people: People, corpus: Corpus) -> Specialist:
    return create_specialist(name="Policies", corpora=[corpus], created_by=people.olga)


def add_documents(corpus: Corpus, people: People) -> Document:
    """Three that everyone reads, and one for Sales only."""
    add_text(corpus, "leave.md", LEAVE)
    add_text(corpus, "travel.md", TRAVEL)
    return add_text(corpus, "pay.md", SECRET_PAY, groups=[people.sales])


def make_row(data_set: DataSet, position: int, *documents: Document, **fields: Any) -> DataSetRow:
    """A row that was made from the first of the documents, and shows passages of them all."""
    values = {"kind": "near", "split": "train", "origin": "heading", "answer": f"Answer {position}.", **fields}
    row = DataSetRow.objects.create(
        data_set=data_set, position=position, question=f"Question {position}?", document=documents[0], gold_chunk=position,
        passage_count=len(documents), **values,
    )  # fmt: skip
    for number, document in enumerate(documents):
        RowPassage.objects.create(
            row=row, document=document, chunk_id=position + 1000 * number, revision=1, title=document.title,
            text=f"Words {position} of {document.title}. Answer {position}.",
        )  # fmt: skip
    return row


def make_data_set(specialist: Specialist, **fields: Any) -> DataSet:
    return DataSet.objects.create(
        specialist=specialist, number=specialist.data_sets.count() + 1, **{"state": DataSetState.READY, **fields}
    )


# --- Data sets --------------------------------------------------------------------------------------------------------


def test_it_makes_a_data_set_through_the_pages_and_hides_rows_from_who_may_not_read_them(
    people: People, specialist: Specialist, corpus: Corpus
) -> None:
    add_documents(corpus, people)
    olga, ada = client_of(people.olga), client_of(people.ada)

    made = olga.post(f"/manage/specialists/{specialist.slug}/data-sets/")
    assert work_until_empty() == 1

    data_set = specialist.data_sets.get()
    assert (made.status_code, data_set.state) == (302, DataSetState.READY), data_set.error_message
    pages = {
        name: "".join(text_of(client, f"{made.headers['Location']}?show={part}") for part in ("kept", "held_out"))
        for name, client in (("olga", olga), ("ada", ada))
    }
    assert "bonus of the directors" in pages["olga"]
    assert "breakfast included" in pages["ada"]
    assert "director" not in pages["ada"]
    assert "hidden: from documents that you may not read" in pages["ada"]
    assert "hidden: from documents" not in pages["olga"]


def test_a_row_is_hidden_by_any_one_of_its_passages(people: People, specialist: Specialist, corpus: Corpus) -> None:
    handbook = make_document(corpus, "Leave policy", ["Leave."])
    pay = make_document(corpus, "Pay of directors", ["Pay."])
    other = create_corpus(name="Closed", owner=people.olga, groups=[people.sales])
    Document.objects.filter(pk=pay.pk).update(partition=make_document(other, "x", ["x"]).partition)
    data_set = make_data_set(specialist)
    shown, mixed = make_row(data_set, 1, handbook), make_row(data_set, 2, handbook, pay)
    ada = client_of(people.ada)

    page = text_of(ada, f"/manage/specialists/{specialist.slug}/data-sets/1/")

    assert "Question 1?" in page
    assert "Question 2?" not in page
    assert "Pay of directors" not in page
    assert "1 row hidden" in page
    drop = f"/manage/specialists/{specialist.slug}/data-sets/1/rows/{{}}/drop"
    assert ada.post(drop.format(mixed.pk)).status_code == 404
    assert ada.post(drop.format(shown.pk)).status_code == 302
    assert not DataSetRow.objects.get(pk=mixed.pk).is_dropped
    assert DataSetRow.objects.get(pk=shown.pk).is_dropped
