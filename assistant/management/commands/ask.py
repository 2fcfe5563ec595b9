"""Asks a question as a person, on the same path as the browser, and prints the answer."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from assistant.asking import ask, corpora_named, person_named
from assistant.errors import QuestionError


class Command(BaseCommand):
    help = "Ask a question as a person. Exit status 0 means that it was answered or that the documents do not answer it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("question")
        parser.add_argument("--as", dest="username", required=True)
        parser.add_argument("--corpus", action="append", default=[], help="narrow to this corpus; may be repeated")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, question: str, username: str, corpus: list[str], **options: Any) -> None:
        person = person_named(username)
        try:
            result = ask(person=person, question=question, corpora=corpora_named(person, corpus))
        except QuestionError as error:
            raise CommandError(error.public_message) from error
        if options["json"]:
            self.stdout.write(json.dumps(result, ensure_ascii=False))
        else:
            self.stdout.write(_as_text(result))
        if result["status"] == "failed":
            raise CommandError(str(result["answer"]))


def _as_text(result: dict[str, Any]) -> str:
    if result["status"] == "abstained":
        return _refusal(result)
    lines = [f"{item['text']} {''.join(f'[{number}]' for number in item['citations'])}" for item in result["sentences"]]
    notes = [f"[{item['n']}] {item['title']} ({item['document']})" for item in result["citations"]]
    return "\n".join([*lines, "", *notes])


def _refusal(result: dict[str, Any]) -> str:
    unsure, silent = "No answer is sure enough to give.", "No answer was found in the documents this person may read."
    offered = [f"Closest: “{item['quote']}” {item['title']} ({item['document']})" for item in result["offered"]]
    return "\n\n".join([unsure if result["is_unsure"] else silent, *(offered if result["is_unsure"] else offered[:1])])
