"""Which documents are versions of one another, and which of two is in force: by their names and their own words."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import zip_longest

from django.db.models import QuerySet

from ingestion.models import Document

HEAD = 600  # characters in which a document says that it is superseded
_FOLDERS = frozenset({"archive", "archived", "archives", "old", "superseded", "obsolete", "retired", "deprecated"})
_RETIRED_WORDS = frozenset({"old", "superseded", "obsolete", "archived", "retired", "deprecated", "withdrawn"})
_DRAFT_WORDS = frozenset({"draft", "wip"})
_IDLE_WORDS = frozenset({"final", "approved", "signed", "copy", "current", "latest"})
_DATE = re.compile(r"\b(?:19|20)\d\d(?: (?:0[1-9]|1[0-2])(?: (?:0[1-9]|[12]\d|3[01]))?| q[1-4])?\b")
_VERSION = re.compile(r"\b(?:v|version|rev|revision|edition|issue) ?(\d{1,3}(?: \d{1,3}){0,2})\b")
_RETIRED = r"(?:superseded|obsolete|withdrawn|archived|deprecated|no longer (?:in force|valid|in use))\b"
_SAYS_RETIRED = re.compile(
    rf"^\W*(?:(?:(?:document )?status\W+|this (?:version|document|policy|page) (?:is|was|has been) ){_RETIRED}"
    rf"|{_RETIRED}(?=\W*$|\s*[.,:;!(–—]|\s+-\s|\s+(?:by|on|since|as of|from|see|and replaced|with effect)\b))",
    re.IGNORECASE | re.MULTILINE,
)  # “Archived records are kept” says it of something else
MOST_VERSIONS = 100  # a name that more documents have is that of a series, such as invoices; none of them replaces another
_MIN_LETTERS = 4  # of what is left of a name without its marks; less names nothing


@dataclass(frozen=True, slots=True)
class Edition:
    """What a name says of its version. `family`: the name without it, empty where too little is left to tell documents apart.
    An archive's folder retires only names that say more than one word: every folder has its README. `marks`: as people write
    them, such as "2023" or "v6"."""

    family: str
    is_retired: bool
    is_draft: bool
    date: tuple[str, ...]
    version: tuple[int, ...]
    marks: tuple[str, ...]


@lru_cache(maxsize=4096)
def read_edition(source_name: str) -> Edition:
    """`handbook/archive/travel-policy-2023.docx` is of the family “travel policy”, retired, of 2023."""
    *folders, name = source_name.casefold().split("/")
    stem = name.rpartition(".")[0] or name
    spaced = " ".join(re.sub(r"[^\w]|_", " ", stem).split())
    date, version = _DATE.search(spaced), _VERSION.search(spaced)
    rest = _VERSION.sub(" ", _DATE.sub(" ", spaced)).split()
    words = set(rest)
    family = " ".join(word for word in rest if word not in _RETIRED_WORDS | _DRAFT_WORDS | _IDLE_WORDS)
    is_filed_away = bool(_FOLDERS.intersection(folders)) and bool(date or version or " " in family)
    return Edition(
        family=family[:200] if sum(letter.isalpha() for letter in family) >= _MIN_LETTERS else "",
        is_retired=bool(words & _RETIRED_WORDS) or is_filed_away,
        is_draft=bool(words & _DRAFT_WORDS),
        date=tuple(date.group().split()) if date else (),
        version=tuple(int(part) for part in version.group(1).split()) if version else (),
        marks=tuple(found.group() for found in (date, version) if found),
    )


def says_retired(text: str) -> bool:
    """Whether a line at the beginning says that the document is superseded."""
    return bool(_SAYS_RETIRED.search(text[:HEAD]))


def is_newer(one: Document, other: Document) -> bool:
    """Whether `one` is the version in force and `other` an earlier one. Names that cannot be compared are no versions."""
    if not one.family or one.family != other.family or one.corpus_id != other.corpus_id or one.pk == other.pk:
        return False
    first, second = read_edition(one.source_name), read_edition(other.source_name)
    if one.is_retired != other.is_retired:
        return other.is_retired
    if first.is_draft != second.is_draft:
        return second.is_draft
    if first.date and second.date and first.date != second.date:
        return first.date > second.date
    return bool(first.version and second.version) and _padded(first.version, second.version)


def _may_be_earlier(document: Document) -> bool:
    edition = read_edition(document.source_name)
    return bool(document.is_retired or edition.is_draft or edition.date or edition.version)


def _padded(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return next((left > right for left, right in zip_longest(one, other, fillvalue=0) if left != right), False)


def newer_versions(documents: Iterable[Document], readable: QuerySet[Document]) -> dict[int, Document]:
    """For each of these documents that has one, the newest version of it among those of `readable`, in one query."""
    known = [document for document in documents if document.family and _may_be_earlier(document)]
    if not known:
        return {}
    families, corpora = {document.family for document in known}, {document.corpus_id for document in known}
    members = list(readable.filter(family__in=families, corpus__in=corpora, revision__gt=0).only(*_NEEDED).distinct())
    by_family: dict[tuple[int, str], list[Document]] = {}
    for member in members:
        by_family.setdefault((member.corpus_id, member.family), []).append(member)
    newest: dict[int, Document] = {}
    for document in known:
        others = by_family.get((document.corpus_id, document.family), [])
        for member in others if len(others) <= MOST_VERSIONS else ():
            if is_newer(member, newest.get(document.pk, document)):
                newest[document.pk] = member
    return newest


def newest_version(document: Document, readable: QuerySet[Document]) -> Document | None:
    """The newest version of this document, where it is an earlier one."""
    return newer_versions([document], readable).get(document.pk)


_NEEDED = ("pk", "corpus_id", "source_name", "title", "family", "is_retired")
