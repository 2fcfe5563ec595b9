"""The class of a ticket in the inbox, by the tickets that its owner may read."""

from __future__ import annotations

import pytest
from django.urls import reverse

from assistant.escalations.models import Escalation
from assistant.escalations.services import escalate
from assistant.jobs.classifying import suggest_class
from assistant.models import AnswerState
from tests.assistant.pages import client_of
from tests.assistant.rows import make_answer
from tests.people import People, add_text, make_corpora

pytestmark = pytest.mark.django_db(transaction=True)
PRINTING = ("The printer jams", "Toner is empty", "Printer prints blank pages", "Paper tray is stuck", "Printer is offline",
            "Printer shows a toner error", "Pages come out of the printer smeared")  # fmt: skip
PAYING = ("Invoice was paid twice", "Refund has not arrived", "Wrong amount on my invoice", "Credit card was declined",
          "Please send the invoice again", "The refund is too small", "Invoice has the wrong address")  # fmt: skip
TICKETS = "Subject,Category\n" + "\n".join(
    [*(f"{subject},Hardware" for subject in PRINTING), *(f"{subject},Billing" for subject in PAYING)]
)


@pytest.fixture
def escalation(people: People) -> Escalation:
    sales = make_corpora(people)[1]
    document = add_text(sales, "tickets.csv", TICKETS)
    found = [{"passage": 1, "score": 1.0, "document": document.pk}]
    asked = make_answer(people.ben, "My printer has no toner", state=AnswerState.ABSTAINED, passages=found, corpora_searched=1)
    return escalate(answer=asked, asker=people.ben, reason="abstained")


def test_it_names_the_class_with_how_often_such_a_name_is_right(people: People, escalation: Escalation) -> None:
    response = client_of(people.olga).post(reverse("assistant:suggest_class", args=[escalation.pk]), {"text": "Typed before"})

    page = response.content.decode()
    assert "Looks like “Hardware”" in page
    assert "of all 14 examples" in page
    assert "Typed before" in page
    assert not escalation.messages.exists()


def test_it_goes_by_nothing_that_the_viewer_may_not_read(people: People, escalation: Escalation) -> None:
    assert suggest_class(escalation=escalation, viewer=people.cy).message
    assert client_of(people.ada).post(reverse("assistant:suggest_class", args=[escalation.pk])).status_code == 404
