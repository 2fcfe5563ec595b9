"""Embeds all passages with another embedding model beside the one that serves, and compares the two."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from assistant.embedders.moving import build_index, compare, describe, shortfall
from retrieval.errors import RetrievalError


class Command(BaseCommand):
    help = (
        "Make the index of another embedding model beside the one that serves, and compare both. Searches and new documents go "
        "on with the old one; promote_embedder lets the new one serve. Interrupted, even by kill -9, the same command goes on."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--embedder", type=Path, required=True, metavar="FOLDER", help="of a sentence-transformers model")

    def handle(self, *args: Any, embedder: Path, **options: Any) -> None:
        try:
            with Embedding() as bar:
                build = build_index(embedder, bar)
            if short := shortfall(build):
                self.stdout.write(short)
            with tqdm(desc="asking both", unit="question", file=sys.stderr) as asked:
                compare(build, lambda: asked.update(1))
        except RetrievalError as error:
            raise CommandError(error.public_message) from error
        for line in describe(build):
            self.stdout.write(line)
        self.stdout.write(f"Next: manage.py promote_embedder {build.name}")


class Embedding:
    """A progress bar of passages."""

    def __enter__(self) -> Embedding:
        self._bar = tqdm(unit="passage", file=sys.stderr, mininterval=1.0)
        return self

    def __call__(self, done: int, total: int) -> None:
        self._bar.total = total
        self._bar.update(done - self._bar.n)

    def __exit__(self, *args: object) -> None:
        self._bar.close()
