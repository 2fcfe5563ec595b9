"""Loads the demo organization: groups, people, corpora, documents and questions. Run again, it changes nothing."""

from __future__ import annotations

import json
import os
import secrets
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management.base import BaseCommand

from assistant.golden.demo import load_demo_golden
from assistant.management.commands.serve import check_port
from assistant.models import SuggestedQuestion
from ingestion.importing import finish_ingestion, named_groups
from ingestion.models import Corpus, Document
from ingestion.services import SAME_AUDIENCE, add_document, create_corpus

ACCOUNTS = "demo-accounts.json"


class Command(BaseCommand):
    help = "Load the demo organization and print its accounts."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", default="8000", help="for the printed address")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, port: str, **options: Any) -> None:
        check_port("127.0.0.1", port)
        folder = settings.BASE_DIR / "demo"
        organization = json.loads((folder / "organization.json").read_text(encoding="utf-8"))
        path = settings.DATA_DIR / ACCOUNTS
        if not path.exists() and User.objects.exists():
            self.stdout.write("This installation has people of its own; the demo organization is not loaded.")
            return
        accounts = json.loads(path.read_text()) if path.exists() else {}
        if not accounts.get("is_loaded"):
            accounts = _load(organization, folder, accounts, path)
        if options["json"]:
            self.stdout.write(json.dumps(accounts))
        else:
            self._print(organization, accounts["passwords"], port)

    def _print(self, organization: dict[str, Any], passwords: dict[str, str], port: str) -> None:
        self.stdout.write(f"\n{organization['name']} is at http://127.0.0.1:{port}\n")
        for person in organization["people"]:
            username = person["username"]
            self.stdout.write(f"  {username:16} {passwords[username]:18} {person['full_name']}, {person['role']}")
        self.stdout.write("")


def _load(organization: dict[str, Any], folder: Path, accounts: dict[str, Any], path: Path) -> dict[str, Any]:
    passwords = accounts.get("passwords") or {person["username"]: secrets.token_urlsafe(9) for person in organization["people"]}
    _write_private(path, {"passwords": passwords, "is_loaded": False})  # a load that is cut off is taken up with these
    for person in organization["people"]:
        _make_person(person, passwords[person["username"]])
    for corpus in organization["corpora"]:
        finish_ingestion(_make_corpus(corpus, folder))
    names = {corpus["slug"]: corpus["name"] for corpus in organization["corpora"]}
    _suggest(json.loads((folder / "questions.json").read_text(encoding="utf-8")), names)
    load_demo_golden(folder, names)
    accounts = {"passwords": passwords, "is_loaded": True}
    _write_private(path, accounts)
    return accounts


def _write_private(path: Path, data: dict[str, Any]) -> None:
    temporary = path.with_suffix(".new")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(data, file)
    os.replace(temporary, path)


def _make_person(person: dict[str, Any], password: str) -> None:
    user, is_new = User.objects.get_or_create(username=person["username"])
    if is_new:
        user.first_name, _, user.last_name = person["full_name"].partition(" ")
        user.is_superuser = bool(person["is_admin"])
        user.set_password(password)
        user.save()
    user.groups.set(named_groups(person["groups"]))


def _make_corpus(corpus: dict[str, Any], folder: Path) -> Corpus:
    groups = None if corpus["everyone"] else named_groups(corpus["groups"])
    target = Corpus.objects.filter(name=corpus["name"]).first() or create_corpus(
        name=corpus["name"], description=corpus["description"], owner=User.objects.get(username=corpus["owner"]), groups=groups
    )
    narrowed = {item["document"]: named_groups(item["groups"]) for item in corpus.get("narrowed", [])}
    root = folder / "documents" / corpus["slug"]
    for file in sorted(path for path in root.rglob("*") if path.is_file()):
        name = file.relative_to(root).as_posix()
        with file.open("rb") as content:
            add_document(
                corpus=target,
                source_name=name,
                content=content,
                uploaded_by=target.owner,
                groups=narrowed.get(name, SAME_AUDIENCE),
            )
    return target


def _suggest(questions: list[dict[str, Any]], names: dict[str, str]) -> None:
    """Offer the questions that the documents answer; `names` are the corpora's by slug."""
    SuggestedQuestion.objects.all().delete()
    for position, item in enumerate(item for item in questions if item.get("suggested") and "document" in item):
        slug, _, name = item["document"].partition("/")
        document = Document.objects.filter(corpus__name=names[slug], source_name=name).first()
        if document is not None:
            SuggestedQuestion.objects.create(text=item["question"], document=document, position=position)
