"""Lets another build of the index serve, goes back to the one before, or drops one. Without a name it lists them."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from assistant.embedders.moving import describe, promote_build, roll_back
from assistant.management.commands.build_embedder_index import Embedding
from retrieval.building import drop
from retrieval.builds import read_builds
from retrieval.errors import RetrievalError

BASE_NAME = "base"


class Command(BaseCommand):
    help = (
        "Let the index of another embedding model serve, from the next search on and without a restart; what came in since it "
        "was built is embedded first. Without a name, list them."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        what = parser.add_mutually_exclusive_group()
        what.add_argument("build", nargs="?", default="", help='its name; "base" for the one of EMBEDDING_MODEL')
        what.add_argument("--roll-back", action="store_true", help="let the one that served before serve again")
        what.add_argument("--drop", default="", metavar="BUILD", help="forget a build that does not serve, and its model")
        parser.add_argument("--although-worse", action="store_true")

    def handle(self, *args: Any, build: str, roll_back: bool, drop: str, although_worse: bool, **options: Any) -> None:
        try:
            self._do(build, is_back=roll_back, dropped=drop, is_worse_accepted=although_worse)
            for item in read_builds().all():
                for line in describe(item):
                    self.stdout.write(line)
        except RetrievalError as error:
            raise CommandError(error.public_message) from error

    def _do(self, name: str, *, is_back: bool, dropped: str, is_worse_accepted: bool) -> None:
        if dropped:
            drop(read_builds().get(_internal(dropped)))
            return
        if not name and not is_back:
            return
        with Embedding() as bar:
            if is_back:
                roll_back(bar)
            else:
                promote_build(_internal(name), bar, is_worse_accepted=is_worse_accepted)


def _internal(name: str) -> str:
    return "" if name == BASE_NAME else name
