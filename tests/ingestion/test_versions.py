"""Versions of a document, as their names and first lines tell them."""

from __future__ import annotations

import pytest

from ingestion.models import Document
from ingestion.versions import MOST_VERSIONS, is_newer, newest_version, read_edition, says_retired
from tests.people import People, make_corpora


@pytest.mark.parametrize(
    ("newer", "older"),
    [
        ("handbook/travel-policy-2026.pdf", "handbook/archive/travel-policy-2023.docx"),
        ("Travel policy 2026.pdf", "travel_policy_2025.pdf"),
        ("pricing v10.xlsx", "Pricing_V9.2 (final).xlsx"),
        ("pricing-v2.1.xlsx", "pricing-v2.xlsx"),
        ("pricing.md", "pricing-old.md"),
        ("leave policy.md", "old/leave policy.md"),
        ("pricing.md", "pricing-draft.md"),
        ("report 2026-03.md", "report 2026-02.md"),
    ],
)
def test_it_knows_the_newer_version_by_the_names(newer: str, older: str) -> None:
    assert is_newer(document(1, newer), document(2, older))
    assert not is_newer(document(2, older), document(1, newer))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("README.md", "archive/README.md"),
        ("office-leeds.txt", "office-porto.txt"),
        ("2026-03.md", "2026-04.md"),
        ("pricing-v2.xlsx", "pricing-2026.xlsx"),
        ("pricing.md", "pricing-2026.md"),
        ("travel-policy-2026.pdf", "travel-policy-2026.docx"),
    ],
)
def test_it_makes_no_versions_of_what_cannot_be_compared(one: str, other: str) -> None:
    assert not is_newer(document(1, one), document(2, other))
    assert not is_newer(document(2, other), document(1, one))


def test_it_makes_no_versions_across_corpora() -> None:
    other = document(2, "travel-policy-2023.pdf")
    other.corpus_id = 2
    assert not is_newer(document(1, "travel-policy-2026.pdf"), other)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# Travel policy\n\nSuperseded. This version was in force until 2026.", True),
        ("Travel policy\nStatus: Superseded on 1 February 2026 by version 9", True),
        ("> This policy is no longer in force.", True),
        ("The policy of 2023 was superseded by this one.", False),
        ("A contract may be withdrawn within two weeks.", False),
        ("OBSOLETE - see version 3", True),
        ("Withdrawn with effect from 1 May", True),
        ("This policy is withdrawn and must not be used.", True),
        ("# Records\n\nArchived records are kept for ten years.", False),
        ("Superseded versions must be destroyed.", False),
        ("x" * 700 + "\nSuperseded.", False),
    ],
)
def test_it_sees_where_a_document_says_that_it_is_superseded(text: str, *, expected: bool) -> None:
    assert says_retired(text) is expected


@pytest.mark.django_db
@pytest.mark.parametrize(("others", "is_told"), [(MOST_VERSIONS - 1, True), (MOST_VERSIONS, False)])
def test_it_takes_a_name_that_very_many_share_for_a_series(people: People, others: int, *, is_told: bool) -> None:
    handbook = make_corpora(people)[0]
    partition = handbook.partitions.create()
    rows = [document(None, f"invoice v{number}.pdf") for number in range(others + 1)]
    for row in rows:
        row.corpus, row.partition, row.revision, row.size = handbook, partition, 1, 1
    Document.objects.bulk_create(rows)
    newest = newest_version(Document.objects.get(source_name="invoice v0.pdf"), Document.objects.all())
    assert bool(newest) is is_told


def document(pk: int | None, name: str) -> Document:
    edition = read_edition(name)
    return Document(pk=pk, corpus_id=1, source_name=name, family=edition.family, is_retired=edition.is_retired)
