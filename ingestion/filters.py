"""What a person narrows a search by, as arguments or as words in the search box. Nothing of it widens what may be read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date, datetime, time

from django.contrib.auth.models import User
from django.db.models import F, Q, QuerySet
from django.utils import timezone
from django.utils.text import get_text_list

from ingestion.models import Chunk, Corpus, Document, Partition, Tag
from ingestion.names import folded
from ingestion.parsers.formats import ENDINGS, PARSERS

_WORD = re.compile(r'(?<!\S)(corpus|type|owner|after|before|tag|title):(?:["“„]([^"“”„]*)(["“”]?)|(\S+))', re.IGNORECASE)
MOST_NAMED = 8  # corpora, or owners, of a sentence
_SPOKEN = {"word": "docx", "excel": "xlsx", "powerpoint": "pptx", "slides": "pptx", "mail": "eml", "email": "eml"}


class FilterError(ValueError):
    """What cannot be read, as a sentence for the person who typed it."""


@dataclass(frozen=True, slots=True)
class Filters:
    """Of several values of one kind any counts; of several kinds all do. Dates are those of a document's last change: `after`
    includes its day, `before` does not."""

    corpora: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    titles: tuple[str, ...] = ()
    after: date | None = None
    before: date | None = None

    def __bool__(self) -> bool:
        return any(getattr(self, item.name) for item in fields(self))

    def within(self, other: Filters) -> Filters:
        """Both: the arguments of a command with the words of its query. Raises FilterError when they contradict each other."""
        for name in ("corpora", "types", "owners", "tags", "titles"):
            if getattr(self, name) and getattr(other, name):
                raise FilterError(f"Give {name} either as an argument or in the query, not both.")
        return Filters(
            self.corpora or other.corpora,
            self.types or other.types,
            self.owners or other.owners,
            self.tags or other.tags,
            self.titles or other.titles,
            after=max(filter(None, (self.after, other.after)), default=None),
            before=min(filter(None, (self.before, other.before)), default=None),
        )


def read_filters(query: str) -> tuple[str, Filters]:
    """The query without its filters, and the filters: `type:pdf after:2025-01-01 title:"travel"`. Other words with a colon stay
    words. Raises FilterError."""
    filters = Filters()
    for key, quoted, closing, bare in _WORD.findall(query):
        if not closing and not bare:
            raise _never_closed(key.lower(), quoted.strip())
        filters = _with(filters, key.lower(), (quoted or bare.strip('"')).strip())
    return " ".join(_WORD.sub(" ", query).split()), filters


def _never_closed(key: str, words: str) -> FilterError:
    example = f', as in {key}:"{words[:40].strip()}"' if words else ""
    return FilterError(f"The quotation mark after {key}: is never closed. Write another where its words end{example}.")


def check_filters(filters: Filters, searched: Iterable[Corpus], readable: QuerySet[Document]) -> None:
    """Raises FilterError for a type that there is not, and for a corpus, an owner or a tag that is not among those that are
    searched: one that is closed to the person and one that does not exist are the same mistake, so `searched` and `readable` hold
    only what the person may read."""
    for name in filters.types:
        if _format_named(name) not in PARSERS:
            raise FilterError(f"There is no type “{name[:40]}”. Write one such as pdf, word, excel, markdown, email or .py.")
    if not (filters.corpora or filters.owners or filters.tags):
        return
    corpora = list(searched)
    known = {name.casefold() for corpus in corpora for name in (corpus.name, corpus.slug)}
    for name in filters.corpora:
        if name.casefold() not in known:
            listed = names_of(corpora)
            advice = f"You may search {listed}." if listed else "There is none that you may search."
            raise FilterError(f"There is no corpus “{name[:120]}” that you may search here. {advice}")
    if filters.owners:
        _check_owners(filters.owners, User.objects.filter(pk__in={corpus.owner_id for corpus in corpora}))
    if filters.tags:
        _check_tags(filters.tags, readable.filter(corpus__in=[corpus.pk for corpus in corpora]))


def _check_tags(names: Iterable[str], readable: QuerySet[Document]) -> None:
    there = Tag.objects.filter(document__in=readable.values("pk"))
    for name in names:
        if not there.filter(key=folded(name)).exists():
            spellings = dict(there.order_by("-key", "-name").values_list("key", "name"))
            listed = _listed(set(spellings.values()))
            advice = f"The tags there are {listed}." if listed else "No document there has one."
            raise FilterError(f"No document that you may search here has the tag “{name[: Tag.NAME_LENGTH]}”. {advice}")


def _check_owners(names: Iterable[str], owners: Iterable[User]) -> None:
    people = list(owners)
    for name in names:
        if not _owners_named([name], people):
            listed = _listed({person.get_full_name() or person.get_username() for person in people})
            advice = f"You may search the corpora of {listed}." if listed else "There is none that you may search."
            raise FilterError(f"There is no owner “{name[:120]}” of a corpus that you may search here. {advice}")


def _owners_named(names: Iterable[str], owners: Iterable[User]) -> list[int]:
    """The ids of those whose username, first, last or full name is among `names`. In Python: no two databases fold alike."""
    wanted = {folded(name) for name in names} - {""}
    return [
        person.pk
        for person in owners
        if wanted & {folded(name) for name in (person.username, person.first_name, person.last_name, person.get_full_name())}
    ]


def names_of(corpora: Iterable[Corpus]) -> str:
    """“Handbook, Sales and Support”; of many corpora the first and how many more there are; empty of none."""
    return _listed({corpus.name for corpus in corpora})


def _listed(different: set[str]) -> str:
    names = sorted(different)
    if len(names) > MOST_NAMED:
        return f"{', '.join(names[:MOST_NAMED])} and {len(names) - MOST_NAMED} more"
    return get_text_list(names, "and")


def _with(filters: Filters, key: str, value: str) -> Filters:
    if not value:
        raise FilterError(f"After {key}: there is nothing. Write what to look for without a space, or in quotation marks.")
    if key == "after":
        return replace(filters, after=read_date(value, key))
    if key == "before":
        return replace(filters, before=read_date(value, key))
    if key == "corpus":
        return replace(filters, corpora=(*filters.corpora, value))
    if key == "type":
        return replace(filters, types=(*filters.types, value))
    if key == "owner":
        return replace(filters, owners=(*filters.owners, value))
    if key == "tag":
        return replace(filters, tags=(*filters.tags, value))
    return replace(filters, titles=(*filters.titles, value))


def read_date(value: str, key: str) -> date:
    """A day; of a year or a month its first. Raises FilterError."""
    year, *rest = value.split("-")
    padded = "-".join([year, *rest, *["01"] * (2 - len(rest))])
    try:
        return date.fromisoformat(padded)
    except ValueError:
        raise FilterError(f"{key}: takes a day such as 2025-01-31, a month (2025-01) or a year, not {value[:40]!r}.") from None


def filtered_ids(partitions: Iterable[Partition], filters: Filters) -> frozenset[int]:
    """The live passages of these partitions that pass."""
    searched = list(partitions)
    documents = Document.objects.filter(partition__in=[partition.pk for partition in searched])
    for condition in _conditions(filters, searched):
        documents = documents.filter(condition)
    chunks = Chunk.objects.filter(document__in=documents.values("pk"), revision=F("document__revision"))
    return frozenset(chunks.values_list("pk", flat=True))


def _conditions(filters: Filters, partitions: Sequence[Partition]) -> Iterable[Q]:
    if filters.corpora:
        yield _any(Q(corpus__slug__iexact=name) | Q(corpus__name__iexact=name) for name in filters.corpora)
    if filters.types:
        yield Q(format__in=[_format_named(name) for name in filters.types])
    if filters.owners:
        owners = User.objects.filter(owned_corpora__in={partition.corpus_id for partition in partitions}).distinct()
        yield Q(corpus__owner__in=_owners_named(filters.owners, owners))
    if filters.tags:
        yield Q(tags__key__in=[folded(name) for name in filters.tags])
    if filters.titles:
        yield _any(Q(title__icontains=name) | Q(source_name__icontains=name) for name in filters.titles)
    if filters.after:
        yield Q(updated_at__gte=_start_of(filters.after))
    if filters.before:
        yield Q(updated_at__lt=_start_of(filters.before))


def _format_named(name: str) -> str:
    name = name.lower().lstrip(".")
    return ENDINGS.get(f".{name}", _SPOKEN.get(name, name))


def _start_of(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))


def _any(conditions: Iterable[Q]) -> Q:
    combined = Q()
    for condition in conditions:
        combined |= condition
    return combined
