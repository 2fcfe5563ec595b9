"""Short words for the tests: write these texts, find those ids. Run as a script it is another process that writes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.environment import ROOT


def write(partition: str, texts: Mapping[int, str], *, remove: tuple[int, ...] = ()) -> None:
    from retrieval.embedders import get_embedder
    from retrieval.indexing import write_passages
    from retrieval.passages import Passage

    passages = [Passage(number, text) for number, text in texts.items()]
    vectors = get_embedder().embed_passages(list(texts.values()))
    write_passages(partition, add=passages, vectors=vectors, remove=remove)


def found(question: str, *scope: str, top_k: int = 12) -> list[int]:
    from retrieval.search import search

    return [hit.id for hit in search(question, scope=scope, top_k=top_k).hits]


def start_writer(indexes: Path, partition: str, generations: int) -> subprocess.Popen[str]:
    """Another process: it writes passage 1 again and again and prints each generation that it has published."""
    command = [sys.executable, "-m", "tests.retrieval.writing", str(indexes), partition, str(generations)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def main(indexes: str, partition: str, generations: str) -> None:
    import django
    from django.conf import settings

    django.setup()
    settings.INDEXES_DIR = Path(indexes)
    settings.EMBEDDER = {"BACKEND": "tests.retrieval.embedders.HashingEmbedder", "OPTIONS": {}}
    for generation in range(1, int(generations) + 1):
        filler = {number: f"filler number{number}" for number in range(100 * generation, 100 * generation + 100)}
        write(partition, {1: f"kestrel generation{generation}", **filler})
        sys.stdout.write(f"{generation}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    import os

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    main(*sys.argv[1:])
