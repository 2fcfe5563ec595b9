"""The people and documents of the tests: who they are is always the same.

Ada administers. Ben is in Sales and reads the Sales corpus. Cy is in Engineering and does not. Olga owns the Sales corpus and
is in no group. Dan is in Sales and deactivated.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

from django.contrib.auth.models import Group, User

from ingestion.models import Corpus, Document, DocumentState
from ingestion.services import add_document, create_corpus
from ingestion.worker import work_until_empty

PASSWORD = "correct-horse-battery-9"
LEAVE = """# Leave policy

## Annual leave

Full-time employees receive 27 days of paid annual leave per calendar year. Unused days expire on 31 March of the next year.

## Parental leave

Parental leave lasts 18 weeks at full pay and can be taken in up to three parts.
"""
DISCOUNTS = """# Discount rules

## Approval

A discount above 15 percent needs the approval of the regional sales director.

## Rebates

Volume rebates are paid out once a year, in February.
"""


@dataclass(frozen=True, slots=True)
class People:
    ada: User
    ben: User
    cy: User
    olga: User
    dan: User
    sales: Group
    engineering: Group


def make_people() -> People:
    sales, engineering = (Group.objects.get_or_create(name=name)[0] for name in ("Sales", "Engineering"))

    def person(username: str, *groups: Group, **fields: object) -> User:
        user = User.objects.create_user(username, f"{username}@example.org", PASSWORD, **fields)  # type: ignore[arg-type]
        user.groups.set(groups)
        return user

    return People(
        ada=person("ada", is_superuser=True, first_name="Ada", last_name="Moreau"),
        ben=person("ben", sales),
        cy=person("cy", engineering),
        olga=person("olga"),
        dan=person("dan", sales, is_active=False),
        sales=sales,
        engineering=engineering,
    )


def add_text(corpus: Corpus, name: str, text: str, **options: object) -> Document:
    """Bring a text and ingest it, for real: parsed, chunked, embedded and indexed."""
    added = add_document(
        corpus=corpus, source_name=name, content=io.BytesIO(text.encode()), uploaded_by=corpus.owner, **options  # type: ignore[arg-type]
    )  # fmt: skip
    assert added.document is not None, added.message
    work_until_empty()
    document = Document.objects.get(pk=added.document.pk)
    assert document.state == DocumentState.READY, document.error_message
    return document


def make_corpora(people: People) -> tuple[Corpus, Corpus]:
    """The handbook, which everyone reads, and the Sales corpus, which Sales and its owner read."""
    handbook = create_corpus(name="Handbook", owner=people.ada)
    sales = create_corpus(name="Sales", owner=people.olga, groups=[people.sales])
    return handbook, sales
