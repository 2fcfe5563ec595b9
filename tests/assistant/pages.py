"""What the tests of the chat's pages share: signed-in clients and the text of a page."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.test import Client

HTMX = {"HX-Request": "true"}


def client_of(user: User, **options: bool) -> Client:
    client = Client(**options)
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def text_of(client: Client, url: str, status: int = 200) -> str:
    response = client.get(url)
    assert response.status_code == status
    return response.content.decode()
