from __future__ import annotations

import pytest
from django.test import Client

from config.access import ROUTES, Access
from tests.people import People

pytestmark = pytest.mark.django_db


def test_it_describes_every_address_for_programs_and_how_to_get_in(people: People) -> None:
    client = Client()
    client.force_login(people.ben, backend="django.contrib.auth.backends.ModelBackend")
    described = client.get("/api/openapi.json").json()
    assert described["openapi"].startswith("3.1")
    assert described["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    named = [name for name, rule in ROUTES.items() if rule.access is Access.PROGRAM and name.startswith("api:")]
    assert len(described["paths"]) == len(named)
    verbs = sum(len(ROUTES[name].methods) for name in named)
    assert sum(len(methods) for methods in described["paths"].values()) == verbs


def test_it_serves_the_documentation_from_here(people: People) -> None:
    client = Client()
    client.force_login(people.ben, backend="django.contrib.auth.backends.ModelBackend")
    page = client.get("/api/docs").content.decode()
    assert "swagger-ui-bundle" in page
    assert "//cdn" not in page
    assert "https://" not in page
