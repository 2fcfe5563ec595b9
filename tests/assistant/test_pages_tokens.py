from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from assistant.api.models import ApiToken
from assistant.api.tokens import create_token, revoke_token
from tests.people import People

pytestmark = pytest.mark.django_db
FORM = {"name": "My editor", "scopes": ["ask", "read"], "days": "30"}


def client_of(person: Any) -> Client:
    client = Client()
    client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    return client


def make(client: Client, **changes: Any) -> str:
    page = client.post("/programs/", {**FORM, **changes}).content.decode()
    found = re.search(r'id="secret"[^>]*>(im_[\w-]+)<', page)
    assert found, page
    return found.group(1)


def test_it_makes_a_token_shows_it_once_and_keeps_only_its_hash(people: People) -> None:
    ben = client_of(people.ben)
    secret = make(ben)
    assert secret not in ben.get("/programs/").content.decode()
    token = ApiToken.objects.get()
    assert secret not in str(vars(token))
    assert token.scopes == ["ask", "read"]
    me = Client().get("/api/me", headers={"Authorization": f"Bearer {secret}"}).json()
    assert (me["username"], me["token"]) == ("ben", "My editor")


def test_it_ends_a_token_at_the_next_request(people: People) -> None:
    ben = client_of(people.ben)
    headers = {"Authorization": f"Bearer {make(ben)}"}
    assert Client().get("/api/me", headers=headers).status_code == 200
    ben.post(f"/programs/{ApiToken.objects.get().pk}/revoke")
    assert Client().get("/api/me", headers=headers).status_code == 401
    assert "Revoked" in ben.get("/programs/").content.decode()


def test_it_says_what_is_missing_and_keeps_what_was_typed(people: People) -> None:
    response = client_of(people.ben).post("/programs/", {**FORM, "scopes": []})
    assert response.status_code == 422
    assert "Choose at least one thing that the token may do." in response.content.decode()
    assert 'value="My editor"' in response.content.decode()
    assert not ApiToken.objects.exists()


def test_it_offers_managing_only_to_those_who_manage_something(people: People) -> None:
    assert 'value="manage"' not in client_of(people.ben).get("/programs/").content.decode()
    assert 'value="manage"' in client_of(people.ada).get("/programs/").content.decode()
    refused = client_of(people.ben).post("/programs/", {**FORM, "scopes": ["manage"]})
    assert refused.status_code == 422


def test_it_shows_tokens_of_others_to_administrators_alone(people: People) -> None:
    create_token(user=people.ben, name="Bens editor", scopes=["ask"], days=7)
    assert "Bens editor" not in client_of(people.cy).get("/programs/").content.decode()
    assert "Bens editor" in client_of(people.ada).get("/programs/").content.decode()


def test_it_always_lists_a_token_that_still_opens_something(people: People) -> None:
    create_token(user=people.ben, name="Old and alive", scopes=["ask"], days=7)
    for number in range(60):
        revoke_token(token=create_token(user=people.ben, name=f"Ended {number}", scopes=["ask"], days=7)[0])
    for person in (people.ben, people.ada):
        page = client_of(person).get("/programs/").content.decode()
        assert "Old and alive" in page
        assert page.count("Revoked") == 50


def test_it_prints_a_token_on_the_command_line(people: People) -> None:
    from django.core.management import CommandError, call_command

    with pytest.raises(CommandError, match="There is no scope 'everything'"):
        call_command("create_token", "ben", "--name", "CI", "--scopes", "everything")
    call_command("create_token", "ben", "--name", "CI", "--scopes", "manage", "--days", "7")
    assert ApiToken.objects.get().is_service
