"""Two versions of a document: which one is searched first, read and cited, and what people are told."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.core.management import call_command
from django.urls import reverse

from assistant.asking import ask
from assistant.models import Answer
from assistant.superseding import superseded
from ingestion.models import Chunk, Corpus, Document
from ingestion.services import narrow_document
from ingestion.worker import work_until_empty
from tests.assistant.pages import HTMX, client_of, text_of
from tests.assistant.rows import make_answered
from tests.people import People, add_text, make_corpora

pytestmark = pytest.mark.django_db(transaction=True)

OLD = "# Travel policy 2023\n\n## Hotels\n\nA hotel in London may cost at most 105 pounds a night, breakfast included.\n"
NEW = "# Travel policy 2026\n\n## Hotels\n\nA hotel in London may cost at most 140 pounds a night, breakfast included.\n"
RAIL = "\n## Rail\n\nFirst class on trains is paid for journeys of more than four hours.\n"
QUESTION = "How much may a hotel in London cost a night?"


@pytest.fixture
def handbook(people: People) -> Corpus:
    handbook = make_corpora(people)[0]
    add_text(handbook, "archive/travel-policy-2023.md", OLD + RAIL)
    add_text(handbook, "travel-policy-2026.md", NEW)
    return handbook


def test_it_keeps_what_only_an_earlier_version_says() -> None:
    old, new = (
        Chunk(pk=pk, text=text, document=Document(pk=pk, corpus_id=1, source_name=name, family="travel policy"))
        for pk, name, text in (
            (1, "travel policy 2023.md", "Employees fly economy within Europe and business class overseas. A dog may fly along."),
            (2, "travel policy 2026.md", "Employees fly economy within Europe and premium economy class overseas."),
        )
    )
    assert superseded("What is the class overseas?", [old, new]) == {1: new}
    for question in ("Can I take my dog?", "Are dogs allowed?", "Can pets come with me?"):
        assert superseded(question, [old, new]) == {}


def quoted(people: People, question: str) -> str:
    result = ask(person=people.ben, question=question)
    return " ".join(item["quote"] for item in (*result["citations"], *result["offered"]))


def test_it_reads_the_version_in_force(people: People, handbook: Corpus) -> None:
    said = quoted(people, QUESTION)
    assert "140 pounds" in said
    assert "105" not in said


def test_it_reads_an_earlier_version_that_the_question_names(people: People, handbook: Corpus) -> None:
    call_command("explain_search", f"{QUESTION[:-1]} in 2023?", "--as", "ben", "--json", stdout=(output := io.StringIO()))
    passages = json.loads(output.getvalue())["passages"]
    assert {item["document"] for item in passages if item["is_read"]} >= {"archive/travel-policy-2023.md"}
    assert not any(item["gives_way_to"] for item in passages)


def test_it_says_which_passage_gave_way_to_which_version(people: People, handbook: Corpus) -> None:
    call_command("explain_search", QUESTION, "--as", "ben", "--json", stdout=(output := io.StringIO()))
    passages = {item["text"]: item for item in json.loads(output.getvalue())["passages"]}
    old = next(item for text, item in passages.items() if "105" in text)
    assert (old["gives_way_to"], old["is_read"]) == ("travel-policy-2026.md", False)
    page = text_of(client_of(handbook.owner), reverse("assistant:search_test") + f"?q={QUESTION}")
    assert "Gives way to Travel policy 2026" in page


def test_it_searches_the_newer_version_first_and_names_it(people: People, handbook: Corpus) -> None:
    call_command("search", QUESTION, "--as", "ben", "--json", stdout=(output := io.StringIO()))
    found = [(item["document"], item["newer"]) for item in json.loads(output.getvalue())]
    places = {name: place for place, (name, _) in reversed(list(enumerate(found)))}
    assert places["travel-policy-2026.md"] < places["archive/travel-policy-2023.md"]
    assert dict(found)["archive/travel-policy-2023.md"] == "travel-policy-2026.md"


def test_it_tells_whoever_reads_an_earlier_version(people: People, handbook: Corpus) -> None:
    old = Document.objects.get(source_name__contains="2023")
    row = rail_answer(people, old)
    page = text_of(client_of(people.ben), reverse("assistant:conversation", args=[row.conversation_id]))
    assert "Superseded by “Travel policy 2026”" in page
    panel = client_of(people.ben).get(reverse("assistant:citation", args=[row.pk, 1]), headers=HTMX).content.decode()
    newest = reverse("ingestion:document", args=[Document.objects.get(source_name__contains="2026").pk])
    assert "The newest of this name is" in panel
    assert newest in panel
    assert newest in text_of(client_of(people.ben), reverse("ingestion:document", args=[old.pk]))


def test_it_names_no_newer_version_that_its_reader_may_not_read(people: People, handbook: Corpus) -> None:
    narrow_document(document=Document.objects.get(source_name__contains="2026"), groups=[people.engineering])
    work_until_empty()
    row = rail_answer(people, Document.objects.get(source_name__contains="2023"))
    for url in (
        reverse("assistant:conversation", args=[row.conversation_id]),
        reverse("assistant:citation", args=[row.pk, 1]),
        reverse("ingestion:document", args=[row.citations.get().document_id]),
    ):
        page = text_of(client_of(people.ben), url)
        assert "Travel policy 2026" not in page
        assert "Travel policy 2023" in page
    assert "105 pounds" in quoted(people, QUESTION)


def rail_answer(people: People, document: Document) -> Answer:
    sentence = "First class on trains is paid for journeys of more than four hours."
    answer: Answer = make_answered(people.ben, "Who may travel first class?", [(document, sentence)])
    return answer


def test_it_says_that_a_document_calls_itself_superseded(people: People, handbook: Corpus) -> None:
    document = add_text(handbook, "parking.md", "# Parking\n\nSuperseded.\n\nA space costs 20 pounds a month in the yard.\n")
    page: Any = text_of(client_of(people.ben), reverse("ingestion:document", args=[document.pk]))
    assert "this document is superseded" in page


def test_it_calls_an_issue_of_a_series_no_superseded_version(people: People, handbook: Corpus) -> None:
    march = add_text(handbook, "minutes-2026-03.md", "# Minutes of March\n\nThe roof of the yard is mended in May.\n")
    add_text(handbook, "minutes-2026-04.md", "# Minutes of April\n\nA second gateway is bought for Porto.\n")
    row = make_answered(people.ben, "When is the roof mended?", [(march, "The roof of the yard is mended in May.")])
    page = text_of(client_of(people.ben), reverse("assistant:conversation", args=[row.conversation_id]))
    assert "A newer one has the same name: “Minutes of April”" in page
    assert "Superseded" not in page
