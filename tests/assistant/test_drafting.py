"""A draft in the box of a reply: made in the background from what both may read, cited, and never sent by itself."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from assistant.escalations.models import Escalation
from assistant.escalations.services import escalate, pass_on
from assistant.jobs import drafts
from assistant.jobs.drafts import work_drafts
from assistant.jobs.models import DraftState, ReplyDraft
from assistant.models import AnswerState, Conversation
from ingestion.models import Document
from ingestion.services import delete_document, narrow_document
from tests.assistant.pages import HTMX, client_of
from tests.assistant.rows import make_answer
from tests.people import DISCOUNTS, People, add_text, make_corpora

pytestmark = pytest.mark.django_db(transaction=True)
QUESTION = "Who approves a discount above 15 percent?"


@pytest.fixture(autouse=True)
def _not_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the web process dies before it begins: the worker makes the draft, when the test says so."""
    monkeypatch.setattr(drafts, "in_background", lambda work: None)


@pytest.fixture
def discounts(people: People) -> Document:
    return add_text(make_corpora(people)[1], "discounts.md", DISCOUNTS)


@pytest.fixture
def escalation(people: People, discounts: Document) -> Escalation:
    found = [{"passage": 1, "score": 1.0, "document": discounts.pk}]
    asked = make_answer(people.ben, QUESTION, state=AnswerState.ABSTAINED, passages=found, corpora_searched=1)
    return escalate(answer=asked, asker=people.ben, reason="abstained")


def begun(people: People, escalation: Escalation, **fields: str) -> str:
    response = client_of(people.olga).post(reverse("assistant:draft_reply", args=[escalation.pk]), fields)
    assert response.status_code == 200
    return response.content.decode()


def used(people: People, escalation: Escalation, text: str = "") -> str:
    """The box of the reply, once the draft is put into it."""
    response = client_of(people.olga).post(reverse("assistant:use_draft", args=[escalation.pk]), {"text": text})
    return box_of(response.content.decode())


def box_of(page: str) -> str:
    return page.partition("<textarea")[2].partition("</textarea>")[0]


def asked_for(people: People, escalation: Escalation) -> str:
    return client_of(people.olga).get(reverse("assistant:draft_reply", args=[escalation.pk]), headers=HTMX).content.decode()


def test_it_is_made_in_the_background_shown_when_done_and_never_sent(people: People, escalation: Escalation) -> None:
    page = begun(people, escalation, text="Dear Ben, in short:")
    assert "Dear Ben, in short:" in box_of(page)
    assert "Waiting to be drafted" in page and 'hx-trigger="every 1s"' in page
    begun(people, escalation)
    assert ReplyDraft.objects.count() == 1  # asked for twice, made once

    assert work_drafts(slice_s=60) == 1

    fragment = asked_for(people, escalation)
    assert "The draft is there" in fragment and "hx-trigger" not in fragment
    box = used(people, escalation, "Dear Ben, in short:")
    assert box.index("Dear Ben, in short:") < box.index("regional sales director")
    assert "[1] Discount rules, Approval" in box
    assert not escalation.messages.exists()
    assert Conversation.objects.filter(is_internal=True).count() == 0
    client = client_of(people.olga)
    assert "The draft is there" in client.get(reverse("assistant:inbox_item", args=[escalation.pk])).content.decode()

    client.post(reverse("assistant:inbox_item", args=[escalation.pk]), {"text": "The director.", "known_version": "0"})
    assert escalation.messages.count() == 1 and not ReplyDraft.objects.exists()


def test_it_says_nothing_that_the_asker_may_not_read_unless_that_is_wanted(
    people: People, escalation: Escalation, discounts: Document
) -> None:
    narrow_document(document=discounts, groups=[people.engineering])
    from ingestion.worker import work_until_empty

    work_until_empty()

    begun(people, escalation)
    work_drafts(slice_s=60)
    fragment = asked_for(people, escalation)
    assert "No document that both of you may read answers this" in fragment and 'value="mine"' in fragment
    assert "regional sales director" not in fragment

    begun(people, escalation, scope="mine")
    work_drafts(slice_s=60)
    fragment = asked_for(people, escalation)
    assert "regional sales director" in fragment
    assert "ben may not read: Discount rules" in fragment


def test_it_is_gone_when_a_source_is_closed_to_either_and_after_a_day(
    people: People, escalation: Escalation, discounts: Document
) -> None:
    begun(people, escalation)
    work_drafts(slice_s=60)
    people.ben.groups.clear()
    assert drafts.CLOSED in asked_for(people, escalation) and "director" not in used(people, escalation)
    people.ben.groups.add(people.sales)
    assert "regional sales director" in asked_for(people, escalation)
    delete_document(document=discounts)
    assert drafts.CLOSED in asked_for(people, escalation)

    ReplyDraft.objects.update(finished_at=timezone.now() - timedelta(days=2))
    work_drafts(slice_s=60)
    assert not ReplyDraft.objects.exists()


def test_it_begins_anew_after_a_kill_and_gives_up_after_three(people: People, escalation: Escalation) -> None:
    begun(people, escalation)
    left = Conversation.objects.create(user=people.olga, title=QUESTION, is_internal=True)
    lost = {"state": DraftState.RUNNING, "lease_owner": "elsewhere:1:dead", "lease_until": timezone.now()}
    ReplyDraft.objects.update(**lost, conversation=left)
    assert work_drafts(slice_s=60) == 1
    assert "regional sales director" in used(people, escalation)
    assert not Conversation.objects.filter(is_internal=True).exists()

    begun(people, escalation)
    ReplyDraft.objects.update(**lost, attempts=drafts.MOST_ATTEMPTS)
    work_drafts(slice_s=60)
    assert drafts.KILLER in asked_for(people, escalation)


def test_only_who_is_to_answer_has_one(people: People, escalation: Escalation) -> None:
    for route in ("draft_reply", "use_draft"):
        assert client_of(people.ada).post(reverse(f"assistant:{route}", args=[escalation.pk])).status_code == 404
    begun(people, escalation)
    pass_on(escalation=escalation, corpus=None)
    work_drafts(slice_s=60)
    assert ReplyDraft.objects.get().message == drafts.PASSED_ON
    assert client_of(people.olga).get(reverse("assistant:draft_reply", args=[escalation.pk]), headers=HTMX).status_code == 404
    assert "The draft" not in client_of(people.ada).get(reverse("assistant:inbox_item", args=[escalation.pk])).content.decode()
