"""A wish for a person, typed in the chat: what goes to whom, and when its author is asked first what it is about."""

from __future__ import annotations

import pytest
from django.urls import reverse

from assistant.escalations.models import Escalation
from assistant.ledger.models import TierUse
from assistant.models import Answer, AnswerState, Conversation
from assistant.services import create_answer
from assistant.streams import run_now
from specialists.models import RoutingRule
from tests.assistant.pages import HTMX, client_of, text_of
from tests.assistant.rows import make_answer
from tests.people import People

WISH = "Talk to a human"


def wish(people: People, conversation: Conversation | None = None) -> Answer:
    """Typed by Ben, and routed by the router that is shipped."""
    row = create_answer(user=people.ben, question=WISH, conversation=conversation)
    run_now(row)
    row.refresh_from_db()
    assert row.state == AnswerState.ABSTAINED
    return row


def thread(row: Answer, people: People) -> str:
    return text_of(client_of(people.ben), reverse("assistant:conversation", args=[row.conversation_id]))


def outcome_of(row: Answer) -> str:
    return TierUse.objects.get(answer=row).outcome


def test_it_asks_what_a_first_wish_is_about_before_anyone_is_told(people: People) -> None:
    row = wish(people)
    assert not Escalation.objects.exists()
    assert outcome_of(row) == "abstained"
    page = thread(row, people)
    assert "You can ask a person." in page
    assert f'action="{reverse("assistant:ask_person", args=[row.pk])}"' in page, "the form is there at once"
    assert "What is it about?" in page
    assert "as well</span>" not in page, "there is nothing before it"
    assert "goes to a person</dd>" not in page, "it did not go to anyone yet"


def test_it_sends_what_a_first_wish_is_about_instead_of_the_wish(people: People) -> None:
    row = wish(people)
    client, url = client_of(people.ben), reverse("assistant:ask_person", args=[row.pk])
    assert "What is it about?" in text_of(client, url)
    refused = client.post(url, {"note": "  "}, headers=HTMX)
    assert refused.status_code == 422
    assert "Say what it is about" in refused.content.decode()
    assert not Escalation.objects.exists()
    client.post(url, {"note": "My badge opens no door."})
    sent = Escalation.objects.get()
    assert (sent.question, sent.reason) == ("My badge opens no door.", "wished")
    inbox = text_of(client_of(people.ada), reverse("assistant:inbox"))
    assert "My badge opens no door." in inbox
    assert WISH not in inbox
    assert "My badge opens no door." in thread(row, people)
    export = text_of(client, reverse("assistant:export_conversation", args=[row.conversation_id]))
    assert "Asked of the administrators: My badge opens no door." in export


@pytest.mark.parametrize(
    "before",
    [
        {"route": "reader", "state": "abstained"},
        {"route": "smalltalk", "state": "answered"},
        {"route": "human", "state": "abstained", "refusal": {"is_wish": True}},
        {"route": "human", "state": "abstained"},  # a sensitive matter, of which nobody was to be told
        {"route": "reader", "state": "answered", "refusal": {"is_crisis": True}},
    ],
)
def test_it_sends_nothing_by_itself_and_offers_what_was_asked_before(people: People, before: dict[str, object]) -> None:
    earlier = make_answer(people.ben, "When is the rebate of Fredonia paid?", **before)
    row = wish(people, earlier.conversation)
    assert not Escalation.objects.exists()
    assert outcome_of(row) == "abstained"
    page = thread(row, people)
    assert "Nobody has been told yet." in page
    assert "Send the question before it in this conversation as well" in page
    is_private = before.get("refusal") == {"is_crisis": True} or (before["route"] == "human" and "refusal" not in before)
    assert ('name="turns" value="1" checked>' in page) is not is_private, "of what nobody was to be told, the box is not ticked"


def test_it_sends_the_question_before_a_wish_only_if_its_author_leaves_the_box_ticked(people: People) -> None:
    asked = make_answer(people.ben, "When is the rebate of Fredonia paid?", state=AnswerState.ABSTAINED, route="reader")
    row = wish(people, asked.conversation)
    client, url = client_of(people.ben), reverse("assistant:ask_person", args=[row.pk])
    refused = client.post(url, {"note": ""}, headers=HTMX)
    assert "Say what it is about" in refused.content.decode()
    assert 'name="turns" value="1">' in refused.content.decode(), "what was unticked stays so"
    assert not Escalation.objects.exists()
    client.post(url, {"turns": "1", "note": ""})
    sent = Escalation.objects.get(answer=row)
    item = reverse("assistant:inbox_item", args=[sent.pk])
    assert "Fredonia" in text_of(client_of(people.ada), item)
    assert "Your earlier questions here went with it." in thread(row, people), "who asks sees what was sent"
    sent.delete()
    client.post(url, {"note": "My badge opens no door."})
    item = reverse("assistant:inbox_item", args=[Escalation.objects.get(answer=row).pk])
    page = text_of(client_of(people.ada), item)
    assert "My badge opens no door." in page
    assert "Fredonia" not in page


def test_it_sends_no_earlier_question_that_no_form_offered(people: People) -> None:
    asked = make_answer(people.ben, "When is the rebate of Fredonia paid?", state=AnswerState.ABSTAINED, route="reader")
    row = wish(people, asked.conversation)
    client_of(people.ben).post(reverse("assistant:ask_person", args=[row.pk]), {"note": "My badge opens no door."})
    item = reverse("assistant:inbox_item", args=[Escalation.objects.get(answer=row).pk])
    assert "Fredonia" not in text_of(client_of(people.ada), item)


def test_it_says_in_an_export_that_nobody_was_told(people: People) -> None:
    row = wish(people)
    export = text_of(client_of(people.ben), reverse("assistant:export_conversation", args=[row.conversation_id]))
    assert "Nobody has been told yet." in export


def test_it_hands_over_at_once_what_a_rule_sends_to_a_person(people: People) -> None:
    RoutingRule.objects.create(position=1, condition="phrase", value="human", tier="human")
    row = wish(people)
    assert Escalation.objects.get(answer=row).reason == "routed"
    assert outcome_of(row) == "escalated"
