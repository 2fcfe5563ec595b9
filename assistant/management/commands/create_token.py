"""Makes a token for a program. Its secret is printed once; it is kept nowhere."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from assistant.api.tokens import ALL_SCOPES, TokenError, create_token
from assistant.asking import person_named


class Command(BaseCommand):
    help = "Make a token by which a program acts as a person. Whoever runs this may read this host, so any account may be named."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username", help="the account, with whose rights the program acts")
        parser.add_argument("--name", required=True, help="which program uses it")
        parser.add_argument("--scopes", default="ask,search,read", help=f"of {', '.join(ALL_SCOPES)}; separated by commas")
        parser.add_argument("--days", type=int, default=90)
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, username: str, name: str, scopes: str, days: int, **options: Any) -> None:
        person, wanted = person_named(username), [scope.strip() for scope in scopes.split(",") if scope.strip()]
        unknown = [scope for scope in wanted if scope not in ALL_SCOPES]
        if unknown:
            raise CommandError(f"There is no scope {unknown[0]!r}. There are: {', '.join(ALL_SCOPES)}.")
        try:
            token, secret = create_token(user=person, name=name, scopes=wanted, days=days, is_service=True)
        except TokenError as error:
            raise CommandError(error.public_message) from error
        if options["json"]:
            about = {"token": secret, "username": username, "scopes": token.scopes, "expires_at": token.expires_at.isoformat()}
            self.stdout.write(json.dumps(about))
        else:
            self.stdout.write(f"{secret}\n\nIt acts as {username} until {token.expires_at:%-d %B %Y}. It is not shown again.")
