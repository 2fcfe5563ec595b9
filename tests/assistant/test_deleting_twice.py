"""A form that deletes, sent twice: by a second click while the first is at work, or from another tab."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from assistant.golden.models import GoldenQuestion
from assistant.models import Conversation
from assistant.services import delete_conversation
from ingestion.models import Corpus, Document
from ingestion.services import create_corpus, delete_corpus, delete_document
from tests.assistant.pages import HTMX, client_of
from tests.assistant.rows import make_answer, make_document
from tests.people import People, make_corpora

Thing = tuple[str, User, str]  # the form's address, whose thing it is, where its deletion leads


def a_conversation(people: People) -> Thing:
    own = make_answer(people.olga, "How many days?").conversation
    return reverse("assistant:delete_conversation", args=[own.pk]), people.olga, reverse("assistant:home")


def a_corpus(people: People) -> Thing:
    _, sales = make_corpora(people)
    create_corpus(name="Rebates", owner=people.olga)
    return reverse("ingestion:delete_corpus", args=[sales.slug]), people.olga, reverse("ingestion:corpora")


def the_last_corpus(people: People) -> Thing:
    _, sales = make_corpora(people)
    return reverse("ingestion:delete_corpus", args=[sales.slug]), people.olga, reverse("assistant:home")


def a_document(people: People) -> Thing:
    _, sales = make_corpora(people)
    row = make_document(sales, "Rebates", ["Rebates are paid in February."])
    return reverse("ingestion:delete_document", args=[row.pk]), people.olga, reverse("ingestion:corpus", args=[sales.slug])


def a_golden_question(people: People) -> Thing:
    _, sales = make_corpora(people)
    row = GoldenQuestion.objects.create(corpus=sales, question="How much?", key="how much", expects="refusal")
    address = reverse("assistant:delete_golden", args=[sales.slug, row.pk])
    return address, people.olga, reverse("assistant:golden", args=[sales.slug])


THINGS = [a_conversation, a_corpus, the_last_corpus, a_document, a_golden_question]


@pytest.mark.parametrize("make", THINGS)
def test_it_leads_twice_to_the_list_and_a_stranger_to_nothing(people: People, make: Callable[[People], Thing]) -> None:
    address, owner, back = make(people)
    client = client_of(owner)
    assert client_of(people.ben).post(address).status_code == 404
    for _ in range(3):
        response = client.post(address)
        assert (response.status_code, response.headers.get("Location")) == (302, back)
    assert client.get(back).status_code == 200
    assert client_of(people.ben).post(address).status_code == 404
    assert client_of(owner).post(address).status_code == 404, "who signs in anew is told what is true: there is no such page"


@pytest.mark.parametrize(
    ("make", "service"),
    [(a_corpus, "ingestion.services.delete_corpus"), (a_document, "ingestion.services.delete_document")],
)
def test_it_leads_to_the_list_while_the_first_click_is_still_at_work(
    people: People, make: Callable[[People], Thing], service: str, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    address, owner, back = make(people)
    first, second = client_of(owner), Client()
    second.cookies = first.cookies
    delete = {"ingestion.services.delete_corpus": delete_corpus, "ingestion.services.delete_document": delete_document}[service]
    seen: list[Any] = []

    def click_again(**thing: Any) -> None:
        delete(**thing)
        seen.append(second.post(address))

    monkeypatch.setattr(service, click_again)
    assert first.post(address).headers["Location"] == back
    assert seen[0].headers.get("Location") == back


def test_it_closes_the_dialog_twice(people: People) -> None:
    address, owner, _ = a_document(people)
    client = client_of(owner)
    for _ in range(2):
        response = client.post(address, headers=HTMX)
        assert (response.status_code, response.headers.get("HX-Trigger")) == (204, "documents-changed, dialog-done")


def test_it_deletes_what_another_has_deleted_meanwhile(people: People) -> None:
    """Both have passed the gate before either deletes."""
    handbook, _ = make_corpora(people)
    row = make_document(handbook, "Leave", ["27 days."])
    conversation = make_answer(people.ben, "How many days?").conversation
    gone = [(type(thing), thing.pk) for thing in (handbook, row, conversation)]
    Document.objects.filter(pk=row.pk).delete()
    delete_document(document=row)
    Corpus.objects.filter(pk=handbook.pk).delete()
    delete_corpus(corpus=handbook)
    Conversation.objects.filter(pk=conversation.pk).delete()
    delete_conversation(conversation=conversation)
    assert not any(kind.objects.filter(pk=pk).exists() for kind, pk in gone)
