"""What the import commands share: the corpus by name, and working the queue with a progress bar."""

from __future__ import annotations

import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterable, Mapping

from django.contrib.auth.models import Group, User
from django.core.management.base import CommandError
from django.db.models import Count
from tqdm import tqdm

from ingestion.models import Corpus, DocumentState
from ingestion.services import create_corpus
from ingestion.worker import work_until_empty

OPEN_STATES = (DocumentState.QUEUED, DocumentState.PARSING, DocumentState.INDEXING)


def add_import_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--corpus", required=True, help="the corpus's name")
    parser.add_argument("--groups", help="comma-separated groups that may read a new corpus; everyone when left out")
    parser.add_argument("--owner", help="the new corpus's owner; the first administrator when left out")
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")


def find_or_create_corpus(name: str, *, groups: str | None, owner: str | None) -> Corpus:
    corpus = Corpus.objects.filter(name=name).first()
    if corpus is not None:
        return corpus
    person = User.objects.filter(username=owner).first() if owner else _first_administrator()
    if person is None:
        who = f"There is no person named {owner!r}." if owner else "There is no administrator to own the corpus."
        raise CommandError(f"{who} Make one: manage.py create_person NAME --admin")
    return create_corpus(name=name, owner=person, groups=None if groups is None else named_groups(groups.split(",")))


def named_groups(names: Iterable[str]) -> list[Group]:
    """The groups of these names, made when missing."""
    return [Group.objects.get_or_create(name=name.strip())[0] for name in names if name.strip()]


def in_words(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {name}" for name, number in counts.items()) or "none"


def _first_administrator() -> User | None:
    return User.objects.filter(is_superuser=True, is_active=True).order_by("pk").first()


def finish_ingestion(corpus: Corpus) -> dict[str, int]:
    """Work the queue in this process until nothing of the corpus is open, beside any other worker. Returns counts by state."""
    total = corpus.documents.filter(state__in=OPEN_STATES).count()
    with tqdm(total=total, desc="Indexing", unit="document", file=sys.stderr) as bar:

        def update() -> bool:
            bar.n = total - corpus.documents.filter(state__in=OPEN_STATES).count()
            bar.refresh()
            return False

        while True:
            taken = work_until_empty(should_stop=update)
            update()
            if not corpus.documents.filter(state__in=OPEN_STATES).exists():
                break
            if not taken:
                time.sleep(0.5)  # another worker holds the rest
    for document in corpus.documents.filter(state=DocumentState.FAILED):
        tqdm.write(f"{document.source_name}: {document.error_message}", file=sys.stderr)
    counts = corpus.documents.values_list("state").annotate(number=Count("pk"))
    return {str(state): number for state, number in counts}
