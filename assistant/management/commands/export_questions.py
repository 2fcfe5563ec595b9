"""Writes questions about a folder of pages as training rows, for `train_specialist reader --data`."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from assistant.calibration.gathering import read_asked
from assistant.reader_rows import as_reader_rows


class Command(BaseCommand):
    help = "Export questions about Markdown pages in SQuAD's form, with the passages that the product cuts the pages into."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--asked", type=Path, required=True, metavar="FILE", help="JSON lines: question, answers, document")
        parser.add_argument("--documents", type=Path, required=True, metavar="FOLDER", help="the pages that they are about")
        parser.add_argument("--output", type=Path, required=True, metavar="FILE")

    def handle(self, *args: Any, asked: Path, documents: Path, output: Path, **options: Any) -> None:
        if not documents.is_dir():
            raise CommandError(f"{documents} is not a folder. Give the one with the pages that {asked.name} is about.")
        try:
            content = as_reader_rows(read_asked(asked, documents, is_whole=False))
            output.write_text(json.dumps(content, ensure_ascii=False) + "\n", encoding="utf-8")
        except (OSError, ValueError) as error:
            raise CommandError(str(error)) from error
        questions = [item for article in content["data"] for passage in article["paragraphs"] for item in passage["qas"]]
        lacking = sum(item["is_impossible"] for item in questions)
        self.stdout.write(f"{len(questions)} rows written to {output}, {lacking} of them without an answer.")
