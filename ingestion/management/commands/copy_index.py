"""Moves indexes to another backend; nothing is embedded again."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from functools import partial
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.module_loading import import_string
from tqdm import tqdm

from ingestion.passages import passages_of
from retrieval.copying import copy_partition, copy_words
from retrieval.errors import RetrievalError
from retrieval.indexes import BACKENDS
from retrieval.indexing import list_partitions
from retrieval.partitions import open_dense
from retrieval.words import IN_MILVUS


class Command(BaseCommand):
    help = (
        "Copy all partitions to another backend, without embedding anything again; words, too, where one of both is Milvus. "
        "Searches and writes go on; "
        "each partition changes over when its copy is complete. Interrupted, the command goes on where it was. The way back "
        "is the same command with the other backend."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--to", required=True, choices=sorted(BACKENDS), help="the backend")
        parser.add_argument("--partition", action="append", help="only this partition; may be given several times")

    def handle(self, *args: Any, to: str, partition: list[str] | None, **options: Any) -> None:
        target = import_string(BACKENDS[to])
        moved, failed = 0, 0
        for key in partition or list_partitions():
            try:
                snapshot = open_dense(key)
                total = len(snapshot.index) if snapshot else 0
                with tqdm(total=total, desc=f"{key}, vectors", unit="passage", file=sys.stderr) as bar:
                    moved += copy_partition(key, target, progress=partial(_show, bar))
                with tqdm(total=total, desc=f"{key}, words", unit="passage", file=sys.stderr) as bar:
                    copy_words(key, to_milvus=to == IN_MILVUS, read=passages_of, progress=partial(_show, bar))
            except RetrievalError as error:
                failed += 1
                self.stderr.write(f"{key}: {error.public_message}")
        self.stdout.write(f"{moved} partitions moved to {to}; new ones are made by VECTOR_INDEX_BACKEND.")
        if failed:
            raise CommandError(f"{failed} partitions were left as they were. Run the command again.", returncode=1)


def _show(bar: Any, done: int) -> None:
    bar.update(done - bar.n)
