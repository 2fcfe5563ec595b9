"""The summary of a document as people ask for it: by the button on its page, and in the chat by its title."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import pytest
from django.urls import reverse

from assistant.jobs import summarising
from assistant.ledger.models import TierUse
from assistant.models import Answer, AnswerState
from assistant.services import Manner, create_answer, retry_answer
from assistant.streams import run_now
from ingestion.models import Document
from ingestion.permissions import get_document_for
from ingestion.services import delete_document
from specialists import language_models
from specialists.errors import SpecialistError
from specialists.language_models.types import End, Message, Piece
from specialists.models import RoutingRule
from tests.assistant.pages import client_of, text_of
from tests.people import DISCOUNTS, LEAVE, People, add_text, make_corpora

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def discounts(people: People) -> Document:
    handbook, sales = make_corpora(people)
    add_text(handbook, "leave.md", LEAVE)
    return add_text(sales, "discounts.md", DISCOUNTS)


def summary_of(people: People, document: Document) -> Answer:
    row = create_answer(user=people.ben, question="Summarise it", manner=Manner(summary_of=document))
    run_now(row)
    row.refresh_from_db()
    return row


def test_the_button_makes_a_turn_that_cites_every_section(
    people: People, discounts: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assistant.streams.run_in_background", run_now)
    client = client_of(people.ben)
    assert "Summarise" in text_of(client, reverse("ingestion:document", args=[discounts.pk]))

    response = client.post(reverse("assistant:summarise", args=[discounts.pk]), follow=True)

    page = response.content.decode()
    assert "Summarise “Discount rules”" in page
    row = Answer.objects.get()
    assert (row.state, row.route, row.summary_of) == (AnswerState.ANSWERED, "quotes", discounts)
    assert {citation.heading_path[-1] for citation in row.citations.all()} == {"Approval", "Rebates"}
    assert "regional sales director" in page
    [sources] = re.findall(r'<div class="sources".*?\n</div>', page, re.DOTALL)
    assert re.findall(r"<b>(.*?)</b>", sources) == ["Discount rules"], "one card for the document"
    places = re.findall(r'<a [^>]*href="([^"]+)"[^>]*><span class="cite"[^>]*>([\d, ]+)</span>(.*?)</a>', sources)
    first = [reverse("assistant:citation", args=[row.pk, int(numbers.split(",")[0])]) for _, numbers, _ in places]
    assert [name for _, _, name in places] == ["Approval", "Rebates"]
    assert [link for link, _, _ in places] == first
    assert list(TierUse.objects.filter(answer=row).values_list("tier", "outcome")) == [("quotes", "answered")]


def test_a_stranger_cannot_have_it_summarised(people: People, discounts: Document) -> None:
    assert client_of(people.cy).post(reverse("assistant:summarise", args=[discounts.pk])).status_code == 404
    row = create_answer(user=people.cy, question="Summarise “Discount rules”")
    run_now(row)
    row.refresh_from_db()
    assert row.summary_of is None
    assert "discount" not in row.text.lower()


def test_the_chat_knows_a_document_by_its_title_unless_a_rule_says_otherwise(people: People, discounts: Document) -> None:
    row = create_answer(user=people.ben, question="Could you summarise the Discount rules, please?")
    run_now(row)
    row.refresh_from_db()
    assert row.summary_of == discounts
    assert {item["document"] for item in row.passages} == {discounts.pk}

    RoutingRule.objects.create(position=1, condition="phrase", value="summarise", tier="human")
    ruled = create_answer(user=people.ben, question="Summarise the Discount rules")
    run_now(ruled)
    ruled.refresh_from_db()
    assert (ruled.summary_of, ruled.route) == (None, "human")


def test_what_was_summarised_is_hidden_from_who_left_the_group(people: People, discounts: Document) -> None:
    row = summary_of(people, discounts)
    people.ben.groups.clear()
    page = text_of(client_of(people.ben), reverse("assistant:conversation", args=[row.conversation_id]))
    assert "regional sales director" not in page

    again = retry_answer(answer=row)
    assert again.summary_of == discounts
    run_now(again)
    again.refresh_from_db()
    assert (again.state, again.error_message) == (AnswerState.FAILED, summarising.GONE)


def test_a_document_deleted_while_it_is_read_leaves_no_word(
    people: People, discounts: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_and_delete(question: object) -> object:
        attempt = yield from summarising._pick(question)  # type: ignore[arg-type]
        if Document.objects.filter(pk=discounts.pk).exists():
            delete_document(document=get_document_for(people.olga, discounts.pk))
        return attempt

    monkeypatch.setitem(summarising.SUMMARISING, "quotes", read_and_delete)  # type: ignore[arg-type]
    row = summary_of(people, discounts)
    assert (row.state, row.sentences, row.summary_of) == (AnswerState.ABSTAINED, [], None)


def test_a_sheet_gets_a_sentence_that_says_why_not(people: People, discounts: Document) -> None:
    sheet = add_text(discounts.corpus, "offices.csv", "Office,Seats\nBerlin,12\nParis,9\n")
    row = summary_of(people, sheet)
    assert row.state == AnswerState.ABSTAINED
    page = text_of(client_of(people.ben), reverse("assistant:conversation", args=[row.conversation_id]))
    assert "Nothing of this document could be summarised" in page


class Scribe:
    """Says two things of the discounts, of which the documents say one; or fails."""

    name, window, adapters = "scribe", 8192, ()
    is_broken = False

    def generate(self, messages: Sequence[Message], *, most_tokens: int, adapter: str = "") -> Iterator[Piece | End]:
        if self.is_broken:
            raise SpecialistError("model_broken", "The language model is broken.")
        yield Piece("A discount above 15 percent needs the approval of the regional sales director [1]. ")
        yield Piece("Rebates are paid out every week in cash [2].")
        yield End("stop", 200, 30)

    def count_tokens(self, text: str) -> int:
        return len(text) // 3

    def warm_up(self) -> None:
        return


@pytest.fixture
def scribe(monkeypatch: pytest.MonkeyPatch, settings: object) -> Scribe:
    made = Scribe()
    monkeypatch.setattr(language_models, "get_language_model", lambda: made)
    settings.LANGUAGE_MODEL = {"BACKEND": "a.scribe", "OPTIONS": {}}  # type: ignore[attr-defined]
    return made


def test_a_model_writes_it_and_what_the_document_does_not_say_is_left_out(
    people: People, discounts: Document, scribe: Scribe
) -> None:
    row = summary_of(people, discounts)
    assert (row.state, row.route, row.refusal["left_out"]) == (AnswerState.ANSWERED, "specialist", 1)
    assert row.text == "A discount above 15 percent needs the approval of the regional sales director."
    assert [citation.heading_path[-1] for citation in row.citations.all()] == ["Approval"]

    people.ben.groups.clear()
    page = text_of(client_of(people.ben), reverse("assistant:conversation", args=[row.conversation_id]))
    assert "regional sales director" not in page


def test_a_broken_model_costs_no_summary(people: People, discounts: Document, scribe: Scribe) -> None:
    scribe.is_broken = True
    row = summary_of(people, discounts)
    assert (row.state, row.route) == (AnswerState.ANSWERED, "quotes")
    tries = list(TierUse.objects.filter(answer=row).values_list("tier", "outcome"))
    assert tries == [("specialist", "failed"), ("quotes", "answered")]
