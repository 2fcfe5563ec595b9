"""The server's entry point. ASGI, because an answer is a stream and a waiting stream must not hold a thread."""

from __future__ import annotations

import os
import threading
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from django.core.asgi import get_asgi_application

_django = get_asgi_application()


async def application(scope: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]) -> None:
    """Django; whoever opens the first page has the models loaded by the time they have typed a question."""
    _warm_up()
    await _django(scope, receive, send)


@cache
def _warm_up() -> None:
    from assistant.warming import load_models

    threading.Thread(target=load_models, name="warm-up", daemon=True).start()
