from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from assistant.models import Answer
from assistant.services import create_answer, share_conversation
from assistant.streams import run_now
from config.access import ROUTES, Access, all_route_names
from ingestion.models import Document
from tests.files import pdf_bytes
from tests.people import DISCOUNTS, People, add_text, make_corpora

ANYONE = {"anonymous", "dan", "ada", "ben", "cy", "olga"}
SIGNED_IN = {"ada", "ben", "cy", "olga"}
MANAGERS = {"ada", "olga"}

# Whom each route serves, for Ben's conversation and for documents of the Sales corpus (owner Olga, read by Sales: Ben).
SERVED: dict[str, set[str]] = {
    "health": ANYONE,
    "login": ANYONE,
    "logout": SIGNED_IN,
    "password_change": SIGNED_IN,
    "password_change_done": SIGNED_IN,
    "assistant:home": SIGNED_IN,
    "assistant:ask": SIGNED_IN,
    "assistant:conversation": {"ben"},
    "assistant:rename_conversation": {"ben"},
    "assistant:delete_conversation": {"ben"},
    "assistant:share_conversation": {"ben"},
    "assistant:export_conversation": {"ben"},
    "assistant:search_conversations": SIGNED_IN,
    "assistant:shared_conversation": SIGNED_IN,
    "assistant:answer": {"ben"},
    "assistant:stream": {"ben"},
    "assistant:stop": {"ben"},
    "assistant:retry": {"ben"},
    "assistant:feedback": {"ben"},
    "assistant:citation": {"ben"},
    "ingestion:document": {"ben", "olga"},
    "ingestion:page_image": {"ben", "olga"},
    "ingestion:download": {"ben", "olga"},
    "ingestion:corpora": MANAGERS,
    "ingestion:new_corpus": MANAGERS,
    "ingestion:corpus": MANAGERS,
    "ingestion:corpus_rows": MANAGERS,
    "ingestion:corpus_settings": MANAGERS,
    "ingestion:upload": MANAGERS,
    "ingestion:retry_failed": MANAGERS,
    "ingestion:delete_corpus": MANAGERS,
    "ingestion:retry_document": MANAGERS,
    "ingestion:delete_document": MANAGERS,
    "ingestion:document_audience": MANAGERS,
    "ingestion:search_test": MANAGERS,
}
FORMS: dict[str, dict[str, Any]] = {
    "assistant:ask": {"question": "Who approves a discount?"},
    "assistant:rename_conversation": {"title": "Renamed"},
    "assistant:feedback": {"verdict": "helpful"},
    "ingestion:document_audience": {"audience": "everyone"},
}


class World:
    def __init__(self, people: People) -> None:
        self.people = people
        _, self.sales = make_corpora(people)
        self.document = add_text(self.sales, "discounts.md", DISCOUNTS)
        self.pdf = self._add_pdf()
        self.answer = self._ask()
        self.token = share_conversation(conversation=self.answer.conversation)

    def _add_pdf(self) -> Document:
        import io

        from ingestion.services import add_document
        from ingestion.worker import work_until_empty

        content = io.BytesIO(pdf_bytes(["The volume rebate is 4 percent of the yearly turnover."]))
        added = add_document(corpus=self.sales, source_name="rebates.pdf", content=content, uploaded_by=self.people.olga)
        work_until_empty()
        assert added.document is not None
        return Document.objects.get(pk=added.document.pk)

    def _ask(self) -> Answer:
        row = create_answer(user=self.people.ben, question="Who approves a discount above 15 percent?")
        run_now(row)
        row.refresh_from_db()
        assert row.state == "answered"
        return row

    def client(self, name: str) -> Client:
        client = Client(raise_request_exception=True)
        if name != "anonymous":
            client.force_login(getattr(self.people, name), backend="django.contrib.auth.backends.ModelBackend")
        return client

    def url(self, route: str) -> str:
        conversation, answer, sales = self.answer.conversation, self.answer, self.sales
        arguments: dict[str, dict[str, Any]] = {
            "assistant:shared_conversation": {"token": self.token},
            "assistant:citation": {"answer_id": answer.pk, "number": 1},
            "ingestion:page_image": {"document_id": self.pdf.pk, "number": 1},
        }
        if route in arguments:
            return reverse(route, kwargs=arguments[route])
        for kwargs in ({}, {"conversation_id": conversation.pk}, {"answer_id": answer.pk}, {"document_id": self.document.pk}, {"slug": sales.slug}):
            try:
                return reverse(route, kwargs=kwargs)
            except Exception:  # noqa: BLE001, S112 - reverse says by an error that these are not its arguments
                continue
        raise AssertionError(f"no arguments for {route}")


def _was_served(status: int) -> bool:
    return status < 400


def test_it_declares_every_route_in_the_table_and_walks_it() -> None:
    names = set(all_route_names())
    assert names == set(ROUTES)
    assert names == set(SERVED)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("route", sorted(SERVED))
def test_it_serves_a_route_to_those_people_only(route: str, people: People) -> None:
    world = World(people)
    url = world.url(route)
    methods = sorted(ROUTES[route].methods - {"HEAD"})
    refused_first = sorted(ANYONE, key=lambda name: name in SERVED[route])
    for name in refused_first:
        for method in methods:
            if method == "POST" and len(methods) > 1:
                continue  # a form's POST is under the same gate as its GET; POST-only routes are walked
            client = world.client(name)
            response = client.generic(method, url) if method == "GET" else client.post(url, FORMS.get(route, {}))
            _check(route, name, response)
            if method == "POST" and name in SERVED[route]:
                return  # it may have deleted what the others would be asked about


def _check(route: str, name: str, response: Any) -> None:
    if ROUTES[route].access is not Access.PUBLIC and name in ("anonymous", "dan"):
        assert response.status_code == 302
        assert response.headers["Location"].startswith("/sign-in/")
    elif name in SERVED[route]:
        assert _was_served(response.status_code), f"{name} should be served {route}: {response.status_code}"
    else:
        assert response.status_code == 404, f"{name} got {response.status_code} from {route}"
        assert b"DISCOUNT" not in getattr(response, "content", b"").upper()


@pytest.mark.django_db
def test_it_answers_an_undeclared_verb_with_405(people: People) -> None:
    client = Client()
    client.force_login(people.ada, backend="django.contrib.auth.backends.ModelBackend")
    for route, rule in ROUTES.items():
        if rule.access is Access.PUBLIC:
            continue
        try:
            url = reverse(route)
        except Exception:  # noqa: BLE001, S112 - routes with arguments are walked above
            continue
        assert client.put(url).status_code == 405, route
        assert client.delete(url).status_code == 405, route


@pytest.mark.django_db
def test_it_forgets_a_deactivated_person_at_the_next_request(people: People) -> None:
    client = Client()
    client.force_login(people.ben, backend="django.contrib.auth.backends.ModelBackend")
    assert client.get("/").status_code == 200
    people.ben.is_active = False
    people.ben.save()
    assert client.get("/").status_code == 302


@pytest.mark.django_db(transaction=True)
def test_it_shows_another_the_shared_conversation_without_what_they_may_not_read(people: People) -> None:
    world = World(people)
    page = world.client("cy").get(world.url("assistant:shared_conversation")).content.decode()
    assert "regional sales director" not in page
    assert "you may not read" in page
    assert "regional sales director" in world.client("ben").get(world.url("assistant:shared_conversation")).content.decode()


@pytest.mark.django_db(transaction=True)
def test_it_hides_old_answers_from_someone_who_left_the_group(people: People) -> None:
    world = World(people)
    people.ben.groups.clear()
    client = world.client("ben")
    assert "regional sales director" not in client.get(world.url("assistant:conversation")).content.decode()
    assert client.get(world.url("assistant:citation")).status_code == 404
    assert "regional sales director" not in client.get(world.url("assistant:export_conversation")).content.decode()

