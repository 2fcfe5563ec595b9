"""The tools for an agent on this host, which starts this command and speaks with it over standard input and output."""

from __future__ import annotations

import os
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from assistant.api.gate import NOT_VALID
from assistant.api.tokens import token_of

VARIABLE = "INTRAMURAL_TOKEN"


class Command(BaseCommand):
    help = f"Serve the tools of the Model Context Protocol on standard input and output, for the token in {VARIABLE}."

    def handle(self, *args: Any, **options: Any) -> None:
        from assistant.mcp.identity import counts_calls, current_token
        from assistant.mcp.tools import get_server

        token = token_of(os.environ.get(VARIABLE, ""))
        if token is None:
            raise CommandError(f"{VARIABLE}: {NOT_VALID}")
        current_token.set(token.pk)
        counts_calls.set(True)
        get_server().run("stdio")
