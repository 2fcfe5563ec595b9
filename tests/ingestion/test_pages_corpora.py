"""The pages of corpora: who sees which, making one, its settings, its table of documents, and its end."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse

from ingestion.models import Corpus, Document, DocumentState
from ingestion.services import create_corpus
from tests.ingestion.pages import HTMX, SECRET, add_ready, add_waiting, client_of, fail
from tests.people import People, make_corpora

pytestmark = pytest.mark.django_db
LIST = "/manage/"
NEW = "/manage/corpora/new"


@pytest.fixture
def sales(people: People) -> Corpus:
    return make_corpora(people)[1]


def page(user: Any, url: str, **extra: Any) -> str:
    response = client_of(user).get(url, **extra)
    assert response.status_code == 200, response.status_code
    return response.content.decode()


def of(corpus: Corpus, name: str = "corpus") -> str:
    return reverse(f"ingestion:{name}", args=[corpus.slug])


# --- Who -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["corpora", "new_corpus"])
def test_it_shows_the_managing_pages_to_managers_only(people: People, sales: Corpus, name: str) -> None:
    url = reverse(f"ingestion:{name}")
    assert client_of(people.ben).get(url).status_code == 404
    assert client_of(None).get(url).status_code == 302
    assert client_of(people.olga).get(url).status_code == 200


@pytest.mark.parametrize("name", ["corpus", "corpus_rows", "corpus_settings", "delete_corpus"])
def test_it_shows_a_corpus_to_its_owner_and_to_administrators(people: People, sales: Corpus, name: str) -> None:
    handbook = Corpus.objects.get(name="Handbook")
    assert client_of(people.olga).get(of(sales, name)).status_code == 200
    assert client_of(people.ada).get(of(sales, name)).status_code == 200
    assert client_of(people.olga).get(of(handbook, name)).status_code == 404
    assert client_of(people.ben).get(of(sales, name)).status_code == 404
    assert client_of(None).get(of(sales, name)).status_code == 302


def test_it_lists_ones_own_corpora_with_their_counts(people: People, sales: Corpus) -> None:
    add_ready(sales, "a.md")
    add_waiting(sales, "b.md")
    fail(add_waiting(sales, "c.md"))
    listed = page(people.olga, LIST)
    assert "1 ready" in listed and "1 in work" in listed and "1 failed" in listed
    assert "Handbook" not in listed
    assert "Handbook" in page(people.ada, LIST) and "Sales" in page(people.ada, LIST)


# --- Making and changing ---------------------------------------------------------------------------------------------


def test_it_makes_a_corpus_for_groups(people: People, sales: Corpus) -> None:
    form = {"name": "Pricing", "description": "Prices.", "audience": "groups", "groups": [people.sales.pk]}
    response = client_of(people.olga).post(NEW, form)
    made = Corpus.objects.get(name="Pricing")
    assert response.headers["Location"] == of(made)
    assert made.owner == people.olga
    assert list(made.audience.groups.all()) == [people.sales]


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({"name": "", "audience": "everyone"}, "This field is required."),
        ({"name": "Sales", "audience": "everyone"}, "There is already a corpus named “Sales”."),
        ({"name": "x" * 121, "audience": "everyone"}, "at most 120 characters"),
        ({"name": "New", "audience": "groups"}, "Choose at least one group"),
        ({"name": "New", "audience": "all"}, "Select a valid choice."),
        ({"name": "New", "audience": "groups", "groups": ["9999"]}, "Select a valid choice."),
        ({"name": "New", "audience": "groups", "groups": ["x"]}, "is not a valid value"),
    ],
)
def test_it_says_what_is_wrong_with_a_form(people: People, sales: Corpus, form: dict[str, Any], sentence: str) -> None:
    response = client_of(people.olga).post(NEW, form)
    assert response.status_code == 200
    assert sentence in response.content.decode()
    assert Corpus.objects.count() == 2


def test_only_an_administrator_gives_a_corpus_to_another(people: People, sales: Corpus) -> None:
    form = {"name": "Sales", "audience": "everyone", "owner": people.ben.pk}
    assert 'name="owner"' not in page(people.olga, of(sales, "corpus_settings"))
    client_of(people.olga).post(of(sales, "corpus_settings"), form)
    sales.refresh_from_db()
    assert sales.owner == people.olga and sales.audience.everyone
    client_of(people.ada).post(of(sales, "corpus_settings"), form)
    sales.refresh_from_db()
    assert sales.owner == people.ben


def test_it_shows_the_settings_as_they_are(people: People, sales: Corpus) -> None:
    form = page(people.olga, of(sales, "corpus_settings"))
    assert re.search(r'value="groups"[^>]*checked', form)
    assert re.search(rf'name="groups" value="{people.sales.pk}"[^>]*checked', form)
    assert not re.search(rf'name="groups" value="{people.engineering.pk}"[^>]*checked', form)


def test_it_makes_a_corpus_that_only_its_owner_reads_unless_more_is_chosen(people: People, sales: Corpus) -> None:
    for person in (people.olga, people.ada):
        form = page(person, NEW)
        assert re.search(r'value="owner"[^>]*checked', form)
        assert not re.search(r'value="everyone"[^>]*checked', form)
    client_of(people.olga).post(NEW, {"name": "Drafts", "audience": "owner"})
    drafts = Corpus.objects.get(name="Drafts")
    assert not drafts.audience.everyone and not drafts.audience.groups.exists()


def test_it_says_that_only_its_owner_reads_a_corpus(people: People, sales: Corpus) -> None:
    drafts = create_corpus(name="Drafts", owner=people.olga, groups=[])
    document = add_ready(drafts, "a.md")
    for url in (LIST, of(drafts), reverse("ingestion:document", args=[document.pk])):
        text = page(people.olga, url)
        assert "only its owner" in text.lower() and "Nobody" not in text, url


def test_it_asks_before_it_deletes_a_corpus(people: People, sales: Corpus, settings: Any) -> None:
    document = add_ready(sales, "a.md")
    file = Path(settings.UPLOADS_DIR) / document.file
    assert "Its 1 document, their passages" in page(people.olga, of(sales, "delete_corpus"))
    assert file.exists()
    assert client_of(people.ben).post(of(sales, "delete_corpus")).status_code == 404
    gone = client_of(people.olga).post(of(sales, "delete_corpus"), follow=True)
    assert (gone.status_code, gone.request["PATH_INFO"]) == (200, "/"), "she manages nothing any more, so has no list of corpora"
    assert "“Sales” and its documents are deleted." in gone.content.decode()
    assert not Corpus.objects.filter(pk=sales.pk).exists()
    handbook = Corpus.objects.get(name="Handbook")
    assert client_of(people.ada).post(of(handbook, "delete_corpus")).headers["Location"] == LIST


def test_it_offers_the_dialog_alone_to_htmx(people: People, sales: Corpus) -> None:
    fragment = page(people.olga, of(sales, "delete_corpus"), **HTMX)
    assert fragment.lstrip().startswith("<form") and "<html" not in fragment


@pytest.mark.parametrize("name", ["document_audience", "delete_document", "document_tags"])
def test_it_sends_a_form_of_its_own_page_without_a_dialog_to_answer_to(people: People, sales: Corpus, name: str) -> None:
    url = reverse(f"ingestion:{name}", args=[add_ready(sales, "notes.md").pk])
    assert 'hx-target="#dialog"' in page(people.olga, url, **HTMX)
    alone = page(people.olga, url)
    assert f'<form method="post" action="{url}"' in alone and "#dialog" not in alone


# --- The table -------------------------------------------------------------------------------------------------------


def test_it_shows_an_empty_corpus_with_what_to_do(people: People, sales: Corpus) -> None:
    shown = page(people.olga, of(sales))
    assert "No documents yet" in shown and "<table" not in shown and "every 2s" not in shown


def test_it_shows_errors_and_warnings_and_counts(people: People, sales: Corpus) -> None:
    fail(add_waiting(sales, "minutes.docx"))
    warned = add_ready(sales, "contract.pdf", pages=20)
    Document.objects.filter(pk=warned.pk).update(warnings=["14 of 20 pages have no text; they were left out."])
    shown = page(people.olga, of(sales))
    assert "The file is protected by a password. Upload it without one." in shown
    assert "14 of 20 pages have no text" in shown and "Ready, with a warning" in shown
    assert re.search(r"Failed <b>1</b>", shown) and re.search(r"With a warning <b>1</b>", shown)
    assert "every 2s" not in shown


def test_it_shows_how_far_the_indexing_is(people: People, sales: Corpus) -> None:
    waiting = add_waiting(sales, "bands.xlsx")
    Document.objects.filter(pk=waiting.pk).update(state=DocumentState.INDEXING, chunk_count=1190, chunks_embedded=118)
    shown = page(people.olga, of(sales))
    assert '<progress class="meter" max="1190" value="118"' in shown
    assert "118 of 1,190 passages" in shown
    assert 'hx-trigger="every 2s"' in shown


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["a.md", "b.md", "hr/c.md", "d.md"]),
        ("find=HR", ["hr/c.md"]),
        ("find=plan", ["a.md"]),
        ("stage=failed", ["b.md"]),
        ("stage=warned", ["hr/c.md"]),
        ("stage=narrowed", ["d.md"]),
        ("stage=ready", ["a.md", "hr/c.md", "d.md"]),
        ("stage=working", []),
        ("stage=ready&find=.md", ["a.md", "hr/c.md", "d.md"]),
        ("stage=nonsense", ["a.md", "b.md", "hr/c.md", "d.md"]),
        ("find=%00", ["a.md", "b.md", "hr/c.md", "d.md"]),
        ("page=99", ["a.md", "b.md", "hr/c.md", "d.md"]),
        ("page=x", ["a.md", "b.md", "hr/c.md", "d.md"]),
        ("find=100%25_x", []),
    ],
)
def test_it_finds_documents_by_name_and_stage(people: People, sales: Corpus, query: str, names: list[str]) -> None:
    add_ready(sales, "a.md", title="Sales plan")
    fail(add_waiting(sales, "b.md"))
    warned = add_ready(sales, "hr/c.md")
    Document.objects.filter(pk=warned.pk).update(warnings=["Odd."])
    add_ready(sales, "d.md", groups=[people.sales])
    shown = page(people.olga, f"{of(sales)}?{query}")
    assert {name for name in ("a.md", "b.md", "hr/c.md", "d.md") if f">{name}<" in shown} == set(names)
    assert bool(names) or "No document fits" in shown


def test_it_pages_through_many_documents(people: People, sales: Corpus) -> None:
    partition = add_waiting(sales, "000.md").partition
    Document.objects.bulk_create(
        Document(corpus=sales, partition=partition, source_name=f"{number:03}.md", file="x", sha256="0" * 64, size=1)
        for number in range(1, 130)
    )
    first, second = page(people.olga, of(sales)), page(people.olga, f"{of(sales)}?page=2")
    assert first.count('<tr id="row-') == 100 and second.count('<tr id="row-') == 30
    assert "1–100 of 130" in first and "101–130 of 130" in second


def test_an_administrator_outside_the_audience_sees_the_row_and_no_more(people: People, sales: Corpus) -> None:
    document = add_ready(sales, "rebates.md", title="Fredonia terms")
    shown = page(people.ada, of(sales))
    assert "rebates.md" in shown and "Fredonia" not in shown
    assert f'href="/documents/{document.pk}/' not in shown and "Ask about" not in shown
    assert "rebates.md" not in page(people.ada, f"{of(sales)}?find=fredonia")
    assert "Fredonia terms" in page(people.olga, f"{of(sales)}?find=fredonia")


def test_it_shows_hostile_names_as_names(people: People, sales: Corpus) -> None:
    hostile = "<script>alert(1)</script><img src=x onerror=alert(2)>"
    document = add_ready(sales, "x.md", title=hostile)
    Document.objects.filter(pk=document.pk).update(warnings=[hostile], source_name=hostile)
    fail(add_waiting(sales, "y.md"), hostile)
    for url in (of(sales), f"{of(sales)}?find=%3Cscript%3E", f"{of(sales, 'corpus_rows')}?v={document.pk}:old"):
        shown = page(people.olga, url)
        assert "<script>alert" not in shown and "<img src=x" not in shown
        assert "&lt;script&gt;alert(1)" in shown


def test_it_writes_no_style_and_no_script_into_a_page(people: People, sales: Corpus) -> None:
    add_ready(sales, "a.md", pages=3)
    add_waiting(sales, "b.md")
    for url in (LIST, NEW, of(sales), of(sales, "corpus_settings"), of(sales, "delete_corpus"), "/manage/search-test"):
        shown = page(people.olga, url)
        assert not re.search(r"<[^>]+\s(style|on[a-z]+)=", shown), url
        assert not re.search(r"<script(?![^>]*\ssrc=)", shown), url


# --- Rows that move --------------------------------------------------------------------------------------------------


def versions(shown: str) -> list[str]:
    return re.findall(r'name="v" value="([^"]+)"', shown)


def test_it_sends_only_the_rows_that_have_changed(people: People, sales: Corpus) -> None:
    still, moving = add_ready(sales, "a.md"), add_waiting(sales, "b.md")
    known = versions(page(people.olga, of(sales)))
    rows = client_of(people.olga).get(of(sales, "corpus_rows"), {"v": known})
    assert "<tr" not in rows.content.decode() and 'hx-trigger="every 2s"' in rows.content.decode()
    Document.objects.filter(pk=moving.pk).update(state=DocumentState.PARSING)
    rows = client_of(people.olga).get(of(sales, "corpus_rows"), {"v": known})
    shown = rows.content.decode()
    assert f'<template><tr id="row-{moving.pk}" hx-swap-oob="true">' in re.sub(r"<template>\s+", "<template>", shown)
    assert f'id="row-{still.pk}"' not in shown
    assert '<div class="tiles" id="tiles" hx-swap-oob="true">' in shown
    assert "HX-Trigger" not in rows.headers


def test_it_stops_asking_when_nothing_is_in_work_and_all_is_told(people: People, sales: Corpus) -> None:
    document = add_waiting(sales, "a.md")
    known = versions(page(people.olga, of(sales)))
    fail(document)
    told = client_of(people.olga).get(of(sales, "corpus_rows"), {"v": known}).content.decode()
    assert "protected by a password" in told and "every 2s" in told
    done = client_of(people.olga).get(of(sales, "corpus_rows"), {"v": versions(told)}).content.decode()
    assert "every 2s" not in done and "<tr" not in done


def test_it_has_the_table_read_again_when_documents_come_or_go(people: People, sales: Corpus) -> None:
    add_waiting(sales, "a.md")
    known = versions(page(people.olga, of(sales)))
    add_waiting(sales, "b.md")
    rows = client_of(people.olga).get(of(sales, "corpus_rows"), {"v": known})
    assert rows.headers["HX-Trigger"] == "documents-changed"


@pytest.mark.parametrize("odd", ["", "x", "1", ":", "1:2:3", "\x00:1", "9" * 400])
def test_it_bears_odd_versions(people: People, sales: Corpus, odd: str) -> None:
    add_waiting(sales, "a.md")
    assert client_of(people.olga).get(of(sales, "corpus_rows"), {"v": odd}).status_code == 200


def test_a_corpus_page_takes_the_same_number_of_queries_for_any_number_of_rows(
    people: People, sales: Corpus, django_assert_max_num_queries: Any
) -> None:
    for number in range(12):
        add_ready(sales, f"{number}.md", SECRET, groups=[people.sales] if number % 2 else [people.engineering])
    client = client_of(people.olga)
    with django_assert_max_num_queries(24):
        client.get(of(sales))
