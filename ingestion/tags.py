"""The words that owners and files put on documents, to find them by. Two spellings that differ in case or accents are one tag."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress

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
    if _locked(document):  # else somebody has deleted it meanwhile
        Tag.objects.filter(document=document).delete()
        Tag.objects.bulk_create([Tag(document=document, name=name, key=folded(name)) for name in tags])


@transaction.atomic
def add_tags(document: Document, names: Sequence[str]) -> None:
    """Add these tags to the document's. Raises TagError when there are too many then."""
    if names and _locked(document):
        set_tags(document, [*Tag.objects.filter(document=document).values_list("name", flat=True), *names])


@transaction.atomic
def add_own_tags(document: Document, keywords: Iterable[str]) -> None:
    """Add what the document's file says that it is filed under: what can be a tag, as far as there is room beside the tags that
    it has. The rest is left out without a word, since nobody has typed it."""
    if not _locked(document):
        return
    tags = {tag.key: tag for tag in Tag.objects.filter(document=document)}
    for keyword in keywords:
        with suppress(TagError):
            for name in check_tags([keyword]):
                tags.setdefault(folded(name), Tag(document=document, name=name, key=folded(name)))
    Tag.objects.bulk_create([tag for tag in list(tags.values())[:MOST] if tag.pk is None])


def _locked(document: Document) -> bool:
    """Whether it is still there; until the transaction ends nobody else changes its tags."""
    return Document.objects.select_for_update().filter(pk=document.pk).first() is not None


def tags_in(corpus: Corpus) -> list[str]:
    """The tags of a corpus's documents, for those who manage it; each in one of its spellings, the most used first."""
    spellings = Tag.objects.filter(document__corpus=corpus).values("key").annotate(name=Min("name"), uses=Count("pk"))
    return [row["name"] for row in spellings.order_by("-uses", "key")]
