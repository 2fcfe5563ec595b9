"""Bringing documents in through the page, and what owners do with one: retry, delete, narrow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from ingestion import services
from ingestion.models import Corpus, Document, DocumentState
from ingestion.permissions import readable_documents
from tests.ingestion.pages import HTMX, add_ready, add_waiting, client_of, fail
from tests.people import People, make_corpora

pytestmark = pytest.mark.django_db
JSON = {"HTTP_ACCEPT": "application/json"}

HOSTILE_NAMES = [
    "../../etc/passwd", "/etc/passwd", "..\\..\\windows\\system32\\cmd.exe", "C:\\autoexec.bat", "\\\\server\\share\\a.txt",
    "....//....//a.txt", "a/../../b.txt", "./././c.txt", "//d.txt", "e/", "..", ".", "", "   ", "\x00", "a\x00b.txt",
    "\x1b[31mred.txt", "line\nbreak.txt", "tab\t.txt", "carriage\r\nSet-Cookie: a=b.txt", "\u202egnp.exe",
    "\u2066hidden\u2069.txt", "\ufeffbom.txt", "CON", "NUL.txt", "aux.md", "x" * 5000 + ".txt", "deep/" * 400 + "a.txt",
    "<script>alert(1)</script>.txt", '"><img src=x>.txt', "'; DROP TABLE ingestion_document; --.txt", "{{ 7*7 }}.txt",
    "%2e%2e%2fa.txt", "a%00.txt", "file:///etc/passwd", "~root/.ssh/id", "$(reboot).txt", "`reboot`.txt",
    "e\u0301te\u0301.txt", "\U0001f512 key.txt", "name;filename=other.txt", "\U0001f600.txt",
]  # fmt: skip


@pytest.fixture
def sales(people: People) -> Corpus:
    return make_corpora(people)[1]


def upload(user: Any, corpus: Corpus, *files: tuple[str, bytes], **extra: Any) -> Any:
    form = {
        "paths": [name for name, _ in files],
        "files": [SimpleUploadedFile("upload", content) for _, content in files],
    }
    return client_of(user).post(reverse("ingestion:upload", args=[corpus.slug]), form, **extra)


def row_url(name: str, document: Document) -> str:
    return reverse(f"ingestion:{name}", args=[document.pk])


# --- Upload ----------------------------------------------------------------------------------------------------------


def test_it_says_of_each_file_what_became_of_it(people: People, sales: Corpus, settings: Any) -> None:
    settings.MAX_UPLOAD_BYTES = 1024 * 1024
    upload(people.olga, sales, ("hr/a.txt", b"one"), ("b.txt", b"two"))
    files = [("hr/a.txt", b"one"), ("b.txt", b"new"), ("c.txt", b"three"), ("big.txt", b"x" * (1024 * 1024 + 1))]
    answer = upload(people.olga, sales, *files, **JSON).json()["files"]
    assert [(one["name"], one["outcome"]) for one in answer] == [
        ("hr/a.txt", "unchanged"), ("b.txt", "changed"), ("c.txt", "added"), ("big.txt", "refused"),
    ]  # fmt: skip
    assert answer[3]["message"] == "The file is larger than 1 MB. Split it and upload the parts."
    assert sorted(sales.documents.values_list("source_name", flat=True)) == ["b.txt", "c.txt", "hr/a.txt"]


def test_it_takes_files_without_a_script(people: People, sales: Corpus) -> None:
    form = {"files": [SimpleUploadedFile("plain.txt", b"words"), SimpleUploadedFile("other.txt", b"words too")]}
    response = client_of(people.olga).post(reverse("ingestion:upload", args=[sales.slug]), form)
    assert response.status_code == 200
    assert "2 files received" in response.content.decode() and "plain.txt" in response.content.decode()
    assert set(sales.documents.values_list("source_name", flat=True)) == {"plain.txt", "other.txt"}


def test_it_says_that_no_file_was_chosen(people: People, sales: Corpus) -> None:
    response = client_of(people.olga).post(reverse("ingestion:upload", args=[sales.slug]), {})
    assert "No file was chosen" in response.content.decode()


def test_it_falls_back_to_the_files_own_names_when_paths_do_not_match(people: People, sales: Corpus) -> None:
    form = {"paths": ["only-one"], "files": [SimpleUploadedFile("a.txt", b"1"), SimpleUploadedFile("b.txt", b"2")]}
    client_of(people.olga).post(reverse("ingestion:upload", args=[sales.slug]), form)
    assert set(sales.documents.values_list("source_name", flat=True)) == {"a.txt", "b.txt"}


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_it_keeps_a_hostile_name_as_a_harmless_one(
    people: People, sales: Corpus, settings: Any, tmp_path: Path, name: str
) -> None:
    response = upload(people.olga, sales, (name, b"words"), **JSON)
    assert response.status_code == 200
    (outcome,) = response.json()["files"]
    assert outcome["outcome"] in ("added", "refused")
    for document in Document.objects.all():
        assert 0 < len(document.source_name) <= 500
        assert not document.source_name.startswith("/") and ".." not in document.source_name.split("/")
        assert document.source_name.isprintable()
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert all(path.resolve().is_relative_to(settings.UPLOADS_DIR) for path in written)
    assert len(written) == Document.objects.count()
    page = client_of(people.olga).get(reverse("ingestion:corpus", args=[sales.slug]))
    assert page.status_code == 200 and "<script>alert" not in page.content.decode()


def test_it_names_what_could_not_be_stored(people: People, sales: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(services, "add_document", full)
    (outcome,) = upload(people.olga, sales, ("a.txt", b"words"), **JSON).json()["files"]
    assert outcome["outcome"] == "refused"
    assert "could not store the file" in outcome["message"] and "space" not in outcome["message"]


def test_a_stranger_cannot_upload(people: People, sales: Corpus) -> None:
    for user in (people.ben, people.cy):
        assert upload(user, sales, ("a.txt", b"words")).status_code == 404
    assert upload(None, sales, ("a.txt", b"words")).status_code == 302
    assert upload(people.olga, Corpus.objects.get(name="Handbook"), ("a.txt", b"words")).status_code == 404
    assert not Document.objects.exists()


def test_an_upload_needs_the_token_of_the_page(people: People, sales: Corpus) -> None:
    client = client_of(people.olga, enforce_csrf_checks=True)
    form = {"files": [SimpleUploadedFile("a.txt", b"words")]}
    assert client.post(reverse("ingestion:upload", args=[sales.slug]), form).status_code == 403
    assert not Document.objects.exists()


# --- One document ----------------------------------------------------------------------------------------------------


def test_it_retries_one_document(people: People, sales: Corpus) -> None:
    failed, other = fail(add_waiting(sales, "a.md")), fail(add_waiting(sales, "b.md"))
    response = client_of(people.olga).post(row_url("retry_document", failed))
    assert response.headers["Location"] == reverse("ingestion:corpus", args=[sales.slug])
    failed.refresh_from_db(), other.refresh_from_db()
    assert (failed.state, failed.error_message) == (DocumentState.QUEUED, "")
    assert other.state == DocumentState.FAILED


def test_it_retries_all_that_failed_and_leaves_the_rest(people: People, sales: Corpus) -> None:
    ready = add_ready(sales, "r.md")
    for name in ("a.md", "b.md"):
        fail(add_waiting(sales, name), code="gave_up")
    encrypted = fail(add_waiting(sales, "c.pdf"))
    client_of(people.olga).post(reverse("ingestion:retry_failed", args=[sales.slug]))
    assert sales.documents.filter(state=DocumentState.QUEUED).count() == 2
    ready.refresh_from_db(), encrypted.refresh_from_db()
    assert (ready.state, encrypted.state) == (DocumentState.READY, DocumentState.FAILED)


def test_it_offers_a_retry_only_where_it_can_help(people: People, sales: Corpus) -> None:
    encrypted = fail(add_waiting(sales, "a.pdf"))
    olga = client_of(people.olga)
    listed = reverse("ingestion:corpus", args=[sales.slug])
    shown = olga.get(listed).content.decode()
    assert f"retry-{encrypted.pk}" not in shown and "Retry failed" not in shown
    assert "Read it again" in shown, "a later version of the product may read what this one cannot"
    crashed = fail(add_waiting(sales, "b.pdf"), code="crashed")
    shown = olga.get(listed).content.decode()
    assert f"retry-{crashed.pk}" in shown and f"retry-{encrypted.pk}" not in shown and "Retry failed" in shown


def test_it_tells_htmx_to_read_the_table_again(people: People, sales: Corpus) -> None:
    response = client_of(people.olga).post(row_url("retry_document", fail(add_waiting(sales, "a.md"))), **HTMX)
    assert response.status_code == 204
    assert response.headers["HX-Trigger"] == "documents-changed, dialog-done"


def test_it_asks_before_it_deletes_a_document(people: People, sales: Corpus) -> None:
    document = add_ready(sales, "hr/a.md")
    asked = client_of(people.olga).get(row_url("delete_document", document))
    assert "Delete “hr/a.md”?" in asked.content.decode()
    assert Document.objects.filter(pk=document.pk).exists()
    client_of(people.olga).post(row_url("delete_document", document))
    assert not Document.objects.filter(pk=document.pk).exists()


def test_it_narrows_a_document_and_lifts_it_again(people: People, sales: Corpus) -> None:
    document = add_ready(sales, "a.md")
    people.cy.groups.add(people.sales)
    url = row_url("document_audience", document)
    client_of(people.olga).post(url, {"audience": "groups", "groups": [people.engineering.pk]})
    assert document in readable_documents(people.cy) and document not in readable_documents(people.ben)
    assert 'value="groups"' in client_of(people.olga).get(url).content.decode()
    client_of(people.olga).post(url, {"audience": "owner"})
    assert document not in readable_documents(people.cy) and document in readable_documents(people.olga)
    client_of(people.olga).post(url, {"audience": "everyone"})
    assert document in readable_documents(people.ben)


def test_it_does_not_take_groups_without_one(people: People, sales: Corpus) -> None:
    document = add_ready(sales, "a.md")
    response = client_of(people.olga).post(row_url("document_audience", document), {"audience": "groups"}, **HTMX)
    assert "Choose at least one group" in response.content.decode()
    document.refresh_from_db()
    assert document.partition.audience is None


@pytest.mark.parametrize("name", ["retry_document", "delete_document", "document_audience"])
def test_a_stranger_cannot_touch_a_document(people: People, sales: Corpus, name: str) -> None:
    document = add_ready(sales, "a.md")
    handbook = add_ready(Corpus.objects.get(name="Handbook"), "h.md")
    form = {"audience": "everyone"}
    assert client_of(people.ben).post(row_url(name, document), form).status_code == 404
    assert client_of(people.olga).post(row_url(name, handbook), form).status_code == 404
    assert client_of(None).post(row_url(name, document), form).status_code == 302
    assert Document.objects.filter(state=DocumentState.READY).count() == 2
    assert client_of(people.olga).post(f"/manage/documents/{10**30}/retry").status_code == 404
