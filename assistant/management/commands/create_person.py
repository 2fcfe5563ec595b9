"""Makes an account. The password is printed once; it is kept nowhere else."""

from __future__ import annotations

import json
import secrets
from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from ingestion.importing import named_groups


class Command(BaseCommand):
    help = "Create a person with a new password, or change the groups or the e-mail address of one who exists."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="the user name")
        parser.add_argument("--groups", help="comma-separated groups, made when missing; left out, groups stay as they are")
        parser.add_argument("--admin", action="store_true", help="an administrator")
        parser.add_argument("--full-name", default="")
        parser.add_argument("--email", default="")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, name: str, groups: str | None, admin: bool, full_name: str, email: str, **options: Any) -> None:
        try:
            User.username_validator(name)
        except ValidationError as error:
            raise CommandError("A user name has letters, digits and @/./+/-/_ only.") from error
        person, is_new = User.objects.get_or_create(username=name)
        password = secrets.token_urlsafe(12) if is_new else ""
        if is_new:
            person.set_password(password)
            first, _, last = full_name.partition(" ")
            person.first_name, person.last_name = first, last
        person.email = email or person.email
        if admin:
            person.is_superuser = True
        person.save()
        if groups is not None:
            person.groups.set(named_groups(groups.split(",")))
        if options["json"]:
            self.stdout.write(json.dumps({"username": name, "password": password, "is_new": is_new}))
        elif is_new:
            self.stdout.write(f"{name} can sign in with the password {password}")
        else:
            self.stdout.write(f"{name} exists and is up to date.")
