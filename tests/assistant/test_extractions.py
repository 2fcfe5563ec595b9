"""Fields of documents as a table: asked for on the page, read by the worker, shown to who may read the documents."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape

from assistant.errors import QuestionError
from assistant.jobs import extracting
from assistant.jobs.extracting import work_extractions
from assistant.jobs.extractions import start_extraction, stop_extraction
from assistant.jobs.fields import read_fields
from assistant.jobs.models import Extraction, ExtractionState
from assistant.jobs.tables import as_csv, present_extraction
from ingestion.models import Document
from ingestion.services import delete_document
from specialists import language_models
from specialists.language_models.openai_server import OpenAIServer
from specialists.router.types import SPECIALIST, Decision
from tests.assistant.pages import client_of, text_of
from tests.model_server import Reply, Request, model_server
from tests.people import DISCOUNTS, People, add_text, make_corpora

pytestmark = pytest.mark.django_db(transaction=True)
HOSTING = """# Hosting agreement

## Termination

Either party may terminate this agreement with a notice period of 60 days.

## Law

This agreement is governed by the laws of Denmark.
"""
FIELDS = "notice period, governing law, colour of the logo"


@pytest.fixture
def documents(people: People) -> list[Document]:
    sales = make_corpora(people)[1]
    return [add_text(sales, "discounts.md", DISCOUNTS), add_text(sales, "hosting.md", HOSTING)]


def made(people: People, documents: list[Document], typed: str = FIELDS) -> Extraction:
    return start_extraction(user=people.ben, documents=documents, fields=read_fields(typed))


def test_it_reads_fields_from_the_page_to_the_csv(people: People, documents: list[Document]) -> None:
    client = client_of(people.ben)
    page = text_of(client, f"{reverse('assistant:extractions')}?corpus={documents[0].corpus.slug}")
    assert "hosting.md" in page
    response = client.post(
        reverse("assistant:extractions"), {"fields": FIELDS, "documents": [document.pk for document in documents]}
    )
    assert response.status_code == 302
    assert "0 of 2 documents" in text_of(client, response.headers["Location"])

    assert work_extractions(slice_s=60) == 2

    page = text_of(client, response.headers["Location"])
    assert "Finished: 2 of 2 documents" in page
    own = Extraction.objects.get()
    table = present_extraction(own, people.ben)
    cells = {cell.name: cell for cell in table.rows[1].cells}
    assert "60 days" in cells["notice period"].value
    assert "Denmark" in cells["governing law"].value
    assert cells["governing law"].place == "Law"
    text = documents[1].content.text
    assert text[cells["governing law"].start : cells["governing law"].end] == cells["governing law"].quote
    assert cells["colour of the logo"].value == ""
    assert all(cell.value == "" for cell in table.rows[0].cells)
    assert page.count("Not found") == 4
    csv = client.get(reverse("assistant:download_extraction", args=[own.pk])).content.decode()
    assert csv.splitlines()[2].startswith("Hosting agreement,")
    assert (own.tokens > 0, own.lease_owner) == (True, "")


def test_it_begins_with_an_example_until_there_is_a_table(people: People, documents: list[Document]) -> None:
    address, client = reverse("assistant:extractions"), client_of(people.ben)
    page = text_of(client, address)
    for words in ("An example", "Notice period", "60 days", "Not found", "Choose a corpus"):
        assert words in page
    assert "Your tables" not in page
    made(people, documents)
    page = text_of(client, address)
    assert "An example" not in page and "Your tables" in page
    assert "An example" not in text_of(client_of(people.cy), f"{address}?corpus=handbook")  # the form itself is there


def test_it_says_who_could_bring_documents_where_there_is_no_corpus(people: People) -> None:
    page = text_of(client_of(people.ben), reverse("assistant:extractions"))
    assert "There is no corpus that you may read yet" in page and "<select" not in page


def test_what_may_not_be_read_is_neither_made_nor_shown(people: People, documents: list[Document]) -> None:
    own = made(people, documents)
    assert work_extractions(slice_s=0) == 0
    assert client_of(people.cy).get(reverse("assistant:extraction", args=[own.pk])).status_code == 404
    refused = client_of(people.cy).post(reverse("assistant:extractions"), {"fields": FIELDS, "documents": [documents[1].pk]})
    assert refused.status_code == 422
    assert Extraction.objects.count() == 1

    people.ben.groups.clear()
    work_extractions(slice_s=60)
    assert {row.problem for row in own.rows.all()} == {extracting.GONE}

    people.ben.groups.add(people.sales)
    again = made(people, documents)
    work_extractions(slice_s=60)
    delete_document(document=documents[0])
    people.ben.groups.clear()
    table = present_extraction(again, people.ben)
    assert (table.rows, table.hidden) == ((), 1)
    assert "Denmark" not in as_csv(table)


def test_it_goes_on_where_a_killed_worker_stopped_and_stops_when_told(
    people: People, documents: list[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extracting, "_read_cell", lambda *_: {"confidence": 0.1})
    own = made(people, documents)
    assert work_extractions(slice_s=0.000001) in (0, 1)
    Extraction.objects.filter(pk=own.pk).update(
        state=ExtractionState.RUNNING, lease_owner="elsewhere:1:dead", lease_until=timezone.now()
    )
    work_extractions(slice_s=60)
    own.refresh_from_db()
    assert (own.state, own.rows.filter(is_done=True).count()) == (ExtractionState.FINISHED, 2)

    stopped = made(people, documents)

    def stop(*_: Any) -> dict[str, Any]:
        stop_extraction(extraction=stopped)
        return {"confidence": 0.1}

    monkeypatch.setattr(extracting, "_read_cell", stop)
    work_extractions(slice_s=60)
    stopped.refresh_from_db()
    assert (stopped.state, stopped.rows.filter(is_done=True).count()) == (ExtractionState.STOPPED, 0)


def test_it_bounds_what_is_asked_for(people: People, documents: list[Document]) -> None:
    assert [field["name"] for field in read_fields("Term; term", "contract")].count("Term") == 1
    assert read_fields("party")[0]["question"] == "Who are the parties to this agreement?"
    for typed in ("", " , ;", ", ".join(f"field {number}" for number in range(13)), "x" * 121):
        with pytest.raises(QuestionError):
            read_fields(typed)
    with pytest.raises(QuestionError):
        start_extraction(user=people.ben, documents=documents * 26, fields=read_fields("term"))
    for _ in range(3):
        made(people, documents)
    with pytest.raises(QuestionError):
        made(people, documents)


def test_it_says_which_fields_it_left_out(people: People, documents: list[Document]) -> None:
    client, address = client_of(people.ben), reverse("assistant:extractions")
    form = {"documents": [documents[1].pk], "corpus": documents[1].corpus.slug}
    page = client.post(address, {**form, "fields": "term, 🙂, , --, <b>!</b>"}, follow=True).content.decode()
    assert "“🙂” and “--” were left out: a field needs a letter or a digit." in page
    assert [field["name"] for field in Extraction.objects.get().fields] == ["term", "<b>!</b>"]
    page = client.post(address, {**form, "fields": "notice period, 🙂"}, follow=True).content.decode()
    assert "“🙂” was left out: a field needs a letter or a digit." in page
    refused = client.post(address, {**form, "fields": "🙂, ?"})
    assert refused.status_code == 422
    assert "“🙂” and “?” were left out: a field needs a letter or a digit." in refused.content.decode()
    page = client.post(address, {**form, "fields": "term, , ;"}, follow=True).content.decode()
    assert "left out" not in page


def test_no_cell_of_the_csv_is_a_formula(people: People, documents: list[Document]) -> None:
    own = made(people, documents[:1], "term")
    cell = {
        "value": "=1+1",
        "quote": "@x",
        "start": 0,
        "end": 1,
        "page": None,
        "heading_path": [],
        "confidence": 1,
        "tier": "reader",
    }
    own.rows.update(is_done=True, cells=[cell])
    assert "'=1+1,'@x" in as_csv(present_extraction(own, people.ben))


LAW = "This agreement is governed by the laws of Denmark."


def filled_by(
    answer: Any, people: People, documents: list[Document], monkeypatch: pytest.MonkeyPatch, settings: Any,
    fields: str = "governing law, notice period",
) -> Any:  # fmt: skip
    """The cells of the hosting agreement where a model's server fills them, and the requests that it got."""
    settings.LANGUAGE_MODEL = {"BACKEND": "a.server", "OPTIONS": {}}
    monkeypatch.setattr(extracting, "_decision", lambda: Decision("fact", 1.0, "neutral", "normal", (SPECIALIST,), None, ""))
    with model_server(answer) as server:
        client = OpenAIServer(url=server.url, model="house-7b")
        monkeypatch.setattr(language_models, "get_language_model", lambda: client)
        own = made(people, documents[1:], fields)
        assert work_extractions(slice_s=60) == 1
    (row,) = present_extraction(own, people.ben).rows
    assert row.problem == ""
    return {cell.name: cell for cell in row.cells}, server.requests


def test_a_model_fills_cells_with_words_that_stand_in_the_document(
    people: People, documents: list[Document], monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    def answer(request: Request) -> Reply:
        is_law = "Which law" in request["messages"][-1]["content"]
        said = {"quote": LAW, "value": "laws of Denmark"} if is_law else {"quote": "A notice of 90 days.", "value": "90 days"}
        return Reply((json.dumps(said),))

    cells, _ = filled_by(answer, people, documents, monkeypatch, settings)

    law, text = cells["governing law"], documents[1].content.text
    assert (law.value, law.quote, law.is_written) == ("laws of Denmark", LAW, True)
    assert text[law.start : law.end] == LAW
    assert "90 days" not in str(cells)


def test_a_server_that_knows_no_schema_fills_cells_with_sentences(
    people: People, documents: list[Document], monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    def answer(request: Request) -> Reply:
        return Reply(status=400, raw=b"{}") if "response_format" in request else Reply((f"{LAW[:-1]} [1].",))

    cells, requests = filled_by(answer, people, documents, monkeypatch, settings)

    assert cells["governing law"].value == cells["governing law"].quote == LAW
    assert sum("response_format" in request for request in requests) == 1


def test_a_cell_says_that_the_model_could_not_look_for_it(
    people: People, documents: list[Document], monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    """What a reader alone did not find is not said to be missing from the document."""
    failing = Reply(status=500, raw=b"<html>")
    cells, _ = filled_by(lambda _: failing, people, documents, monkeypatch, settings, "colour of the logo")

    (cell,) = cells.values()
    assert cell.value == "" and "language model" in cell.problem
    page = text_of(client_of(people.ben), reverse("assistant:extraction", args=[Extraction.objects.get().pk]))
    assert f"Not found by the reader. {escape(cell.problem)}" in page
