"""The words that owners put on documents, to find them by. Two spellings that differ in case or accents are one tag."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from django.db import transaction
from django.db.models import Count, Min

from ingestion.models import Corpus, Document, Tag
from ingestion.names import folded

LONGEST = Tag.NAME_LENGTH
LONGEST_KEY = Tag.KEY_LENGTH  # a letter may fold into several
MOST = 20  # of a document


class TagError(ValueError):
    """What cannot be a tag, as a sentence for the person who typed it."""


def read_tags(text: str) -> tuple[str, ...]:
    """“Leave, #travel; HR policy” → ("Leave", "travel", "HR policy"), each once. Raises TagError."""
    return check_tags(re.split(r"[,;\n]", text))


def check_tags(names: Iterable[str]) -> tuple[str, ...]:
    """The names as they are stored, in their order, each once. Raises TagError."""
    tags: dict[str, str] = {}
    for name in names:
        words = " ".join(name.replace("\x00", " ").split()).lstrip("#").strip()
        if not words:
            continue
        if len(words) > LONGEST or len(folded(words)) > LONGEST_KEY:
            raise TagError(f"A tag has at most {LONGEST} characters; “{words[:LONGEST]}…” is longer. Put commas between tags.")
        if '"' in words or not folded(words):
            raise TagError(f"A tag needs a letter or a digit and has no quotation marks; “{words}” cannot be one.")
        tags.setdefault(folded(words), words)
    if len(tags) > MOST:
        raise TagError(f"A document has at most {MOST} tags; these are {len(tags)}.")
    return tuple(tags.values())


@transaction.atomic
def set_tags(document: Document, names: Sequence[str]) -> None:
    """Put these tags in the place of the document's. Searches follow at once: nothing is indexed again. Raises TagError."""
    tags = check_tags(names)
    current = Document.objects.select_for_update().filter(pk=document.pk).first()
    if current is not None:  # else somebody has deleted it meanwhile
        current.tags.all().delete()
        Tag.objects.bulk_create([Tag(document=current, name=name, key=folded(name)) for name in tags])


@transaction.atomic
def add_tags(document: Document, names: Sequence[str]) -> None:
    """Add these tags to the document's own. Raises TagError when there are too many then."""
    if names:
        set_tags(document, [*document.tags.values_list("name", flat=True), *names])


def tags_in(corpus: Corpus) -> list[str]:
    """The tags of a corpus's documents, for those who manage it; each in one of its spellings, the most used first."""
    spellings = Tag.objects.filter(document__corpus=corpus).values("key").annotate(name=Min("name"), uses=Count("pk"))
    return [row["name"] for row in spellings.order_by("-uses", "key")]
