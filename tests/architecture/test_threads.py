"""How often a request changes threads: each change costs more than most of what the middleware does."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from asgiref.sync import SyncToAsync
from django.test import AsyncClient
from django.urls import reverse

from tests.people import People

MOST = 6  # the start and the end of the request, the chain, the two checks before the view, and the view


@pytest.mark.django_db(transaction=True)
def test_it_runs_the_whole_chain_of_middleware_in_one_thread(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = []
    call = SyncToAsync.__call__

    async def counted(self: SyncToAsync[Any, Any], *args: Any, **kwargs: Any) -> Any:
        changes.append(self.func)
        return await call(self, *args, **kwargs)

    client = AsyncClient()
    client.force_login(people.ben)
    monkeypatch.setattr(SyncToAsync, "__call__", counted)

    response = asyncio.run(client.get(reverse("assistant:home")))

    assert response.status_code == 200
    assert len(changes) <= MOST, changes
