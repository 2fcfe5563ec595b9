"""A draft in the box of a reply: from what both may read, cited, and never sent by itself."""

from __future__ import annotations

import pytest
from django.urls import reverse

from assistant.escalations.models import Escalation
from assistant.escalations.services import escalate
from assistant.models import AnswerState, Conversation
from ingestion.models import Document
from ingestion.services import narrow_document
from tests.assistant.pages import client_of
from tests.assistant.rows import make_answer
from tests.people import DISCOUNTS, People, add_text, make_corpora

pytestmark = pytest.mark.django_db(transaction=True)
QUESTION = "Who approves a discount above 15 percent?"


@pytest.fixture
def discounts(people: People) -> Document:
    return add_text(make_corpora(people)[1], "discounts.md", DISCOUNTS)


@pytest.fixture
def escalation(people: People, discounts: Document) -> Escalation:
    found = [{"passage": 1, "score": 1.0, "document": discounts.pk}]
    asked = make_answer(people.ben, QUESTION, state=AnswerState.ABSTAINED, passages=found, corpora_searched=1)
    return escalate(answer=asked, asker=people.ben, reason="abstained")


def drafted(people: People, escalation: Escalation, **fields: str) -> str:
    url = reverse("assistant:draft_reply", args=[escalation.pk])
    response = client_of(people.olga).post(url, fields)
    assert response.status_code == 200
    return response.content.decode()


def test_it_fills_the_box_below_what_was_typed_and_sends_nothing(people: People, escalation: Escalation) -> None:
    page = drafted(people, escalation, text="Dear Ben, in short:")

    box = page.partition("<textarea")[2].partition("</textarea>")[0]
    assert "Dear Ben, in short:" in box
    assert "regional sales director" in box
    assert "[1] Discount rules, Approval" in box
    assert not escalation.messages.exists()
    assert Conversation.objects.filter(is_internal=True).count() == 0


def test_it_says_nothing_that_the_asker_may_not_read_unless_that_is_wanted(
    people: People, escalation: Escalation, discounts: Document
) -> None:
    narrow_document(document=discounts, groups=[people.engineering])
    from ingestion.worker import work_until_empty

    work_until_empty()

    page = drafted(people, escalation)
    assert "regional sales director" not in page.partition("<textarea")[2].partition("</textarea>")[0]
    assert "No document that both of you may read answers this" in page

    page = drafted(people, escalation, scope="mine")
    assert "regional sales director" in page
    assert "ben may not read: Discount rules" in page


def test_only_who_is_to_answer_may_have_one(people: People, escalation: Escalation) -> None:
    assert client_of(people.ada).post(reverse("assistant:draft_reply", args=[escalation.pk])).status_code == 404
