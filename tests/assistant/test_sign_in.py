from __future__ import annotations

import pytest
from django.test import Client

from tests.people import PASSWORD, People

pytestmark = pytest.mark.django_db


def sign_in(client: Client, password: str, **extra: str) -> int:
    return client.post("/sign-in/", {"username": "ben", "password": password}, **extra).status_code


def test_it_signs_in_with_the_right_password_only(people: People) -> None:
    assert people.ben.is_active
    assert sign_in(Client(), "wrong") == 200
    assert sign_in(Client(), PASSWORD) == 302


def test_it_locks_an_account_out_after_five_wrong_passwords_from_one_place(people: People) -> None:
    client = Client()
    assert [sign_in(client, f"wrong-{number}") for number in range(5)][-1] == 429
    assert sign_in(client, PASSWORD) == 429
    assert sign_in(Client(), PASSWORD, REMOTE_ADDR="10.0.0.9") == 302, "a stranger must not lock the owner out elsewhere"


def test_it_keeps_a_deactivated_person_out(people: People) -> None:
    assert not people.dan.is_active
    assert Client().post("/sign-in/", {"username": "dan", "password": PASSWORD}).status_code == 200
