"""Imports a folder of files into a corpus, with a progress bar. Unchanged files are skipped; run it again at any time."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from collections import Counter
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from ingestion.importing import add_import_arguments, find_or_create_corpus, finish_ingestion, in_words
from ingestion.services import add_document, with_tags
from ingestion.tags import TagError, check_tags


class Command(BaseCommand):
    help = "Import all files of a folder into a corpus, which is made when it does not exist."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", type=Path)
        add_import_arguments(parser)
        parser.add_argument("--tag", dest="tags", action="append", default=[], help="put on every file; may be repeated")
        parser.add_argument("--queue-only", action="store_true", help="leave the indexing to the running worker")

    def handle(self, *args: Any, path: Path, corpus: str, groups: str | None, owner: str | None, **options: Any) -> None:
        if not path.is_dir():
            raise CommandError(f"{path} is not a folder.")
        try:
            tags = check_tags(options["tags"])
        except TagError as error:
            raise CommandError(str(error)) from error
        target = find_or_create_corpus(corpus, groups=groups, owner=owner)
        files = sorted(
            file for file in path.rglob("*") if file.is_file() and not file.is_symlink() and not _is_hidden(file, path)
        )
        outcomes: Counter[str] = Counter()
        for file in tqdm(files, desc="Storing", unit="file", file=sys.stderr):
            with file.open("rb") as content:
                added = add_document(
                    corpus=target, source_name=file.relative_to(path).as_posix(), content=content, uploaded_by=target.owner
                )
                added = with_tags(added, tags)
            outcomes[added.outcome] += 1
            if added.outcome == "refused":
                tqdm.write(f"{file}: {added.message}", file=sys.stderr)
        states = {} if options["queue_only"] else finish_ingestion(target)
        summary = {"corpus": target.name, "files": len(files), **outcomes, "documents": states}
        self.stdout.write(
            json.dumps(summary)
            if options["json"]
            else f"{target.name}: files {in_words(outcomes)}; documents {in_words(states)}."
        )


def _is_hidden(file: Path, root: Path) -> bool:
    return any(part.startswith(".") for part in file.relative_to(root).parts)
