"""Tags: put on documents with an upload, in a row's dialog, by the command and the API; found by `tag:`; told to readers only."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from ingestion.models import Corpus, Document
from ingestion.services import add_document, narrow_document, retry_document, with_tags
from ingestion.tags import TagError, add_tags, check_tags, read_tags, set_tags, tags_in
from ingestion.worker import work_until_empty
from tests.data.office import make_docx, make_pptx, make_xlsx
from tests.data.pdfs import make_pdf, paragraphs
from tests.ingestion.pages import HTMX, add_waiting, client_of
from tests.people import People, make_corpora

pytestmark = pytest.mark.django_db


@pytest.fixture
def sales(people: People, settings: Any) -> Corpus:
    settings.EMBEDDER = {"BACKEND": "tests.retrieval.embedders.HashingEmbedder", "OPTIONS": {}}
    return make_corpora(people)[1]


def add(corpus: Corpus, name: str, text: str, *tags: str) -> Document:
    added = add_document(corpus=corpus, source_name=name, content=io.BytesIO(text.encode()), uploaded_by=corpus.owner)
    added = with_tags(added, tags)
    assert added.document is not None
    return added.document


def names_of(document: Document) -> list[str]:
    return [tag.name for tag in document.tags.all()]


def searched(query: str, *arguments: str, person: str = "olga") -> set[str]:
    output = io.StringIO()
    call_command("search", query, "--as", person, "--json", *arguments, stdout=output)
    return {row["document"] for row in json.loads(output.getvalue())}


# --- The words --------------------------------------------------------------------------------------------------------


def test_it_reads_tags_between_commas_each_once() -> None:
    assert read_tags(" Leave, #travel ;HR   policy\nleave, LÉAVE,, ") == ("Leave", "travel", "HR policy")
    assert read_tags("休暇, Straße, strasse") == ("休暇", "Straße")
    assert read_tags("") == ()


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["x" * 41], "at most 40 characters"),
        (["\ufdfa" * 20], "at most 40 characters"),  # one sign that folds into eighteen letters
        (['say "hi"'], "no quotation marks"),
        (["\u0301"], "needs a letter"),
        ([f"tag {number}" for number in range(21)], "at most 20 tags; these are 21"),
    ],
)
def test_it_says_what_cannot_be_a_tag(names: list[str], sentence: str) -> None:
    with pytest.raises(TagError, match=sentence):
        check_tags(names)


# --- Finding by them --------------------------------------------------------------------------------------------------


def test_it_narrows_a_search_to_documents_with_a_tag(sales: Corpus) -> None:
    add(sales, "leave.md", "Parental leave lasts eighteen weeks.", "Élèves", "hr")
    add(sales, "other.md", "Unpaid leave is asked for in writing.", "travel")
    add(sales, "third.md", "Leave is counted in days.")
    work_until_empty()
    assert searched("leave tag:eleves") == {"leave.md"} == searched("leave", "--tag", "ELEVES")
    assert searched("leave tag:hr tag:travel") == {"leave.md", "other.md"}
    assert searched('leave tag:"HR" title:other') == set()
    third = Document.objects.get(source_name="third.md")
    set_tags(third, ["hr"])
    assert searched("leave tag:hr") == {"leave.md", "third.md"}, "a tag counts at once"
    page = client_of(sales.owner).get("/manage/search-test", {"q": "leave tag:hr"}).content.decode()
    assert "Leave is counted in days." in page and "Unpaid leave" not in page


@pytest.mark.parametrize("command", ["search", "explain_search"])
def test_it_tells_nobody_the_tags_of_what_they_may_not_read(people: People, sales: Corpus, command: str) -> None:
    handbook = Corpus.objects.get(name="Handbook")
    secret = add(handbook, "merger.md", "The merger is planned.", "merger")
    add(handbook, "leave.md", "Leave is counted in days.", "Leave")
    add(sales, "discounts.md", "Discounts are approved.", "discounts")
    work_until_empty()
    narrow_document(document=secret, groups=[])
    said = []
    for tag in ("nosuch", "merger", "discounts"):
        with pytest.raises(CommandError) as refused:
            call_command(command, f"leave tag:{tag}", "--as", "cy", stdout=io.StringIO())
        said.append(str(refused.value).replace(f"“{tag}”", "“…”"))
    assert said == ["No document that you may search here has the tag “…”. The tags there are Leave."] * 3
    narrow_document(document=Document.objects.get(source_name="leave.md"), groups=[])
    with pytest.raises(CommandError, match="No document there has one"):
        call_command(command, "leave tag:leave", "--as", "cy", stdout=io.StringIO())


# --- Putting them on --------------------------------------------------------------------------------------------------


def test_it_tags_what_is_uploaded(people: People, sales: Corpus) -> None:
    known = add(sales, "b.txt", "two", "old")

    def upload(tags: str) -> Any:
        files = [SimpleUploadedFile("upload", content) for content in (b"one", b"two")]
        form = {"paths": ["a.txt", "b.txt"], "files": files, "tags": tags}
        url = reverse("ingestion:upload", args=[sales.slug])
        return client_of(people.olga).post(url, form, headers={"accept": "application/json"}).json()["files"]

    refused = upload("x" * 41)
    assert [one["outcome"] for one in refused] == ["refused", "refused"] and "at most 40" in refused[0]["message"]
    assert not sales.documents.filter(source_name="a.txt").exists()
    assert [one["outcome"] for one in upload("Leave, hr")] == ["added", "unchanged"]
    assert names_of(sales.documents.get(source_name="a.txt")) == ["hr", "Leave"]
    assert names_of(known) == ["hr", "Leave", "old"]
    set_tags(known, [f"tag {number}" for number in range(20)])
    assert "Its tags stay as they were. A document has at most 20 tags" in upload("new")[1]["message"]
    assert len(names_of(known)) == 20


def test_it_keeps_the_tags_when_a_file_changes(sales: Corpus) -> None:
    document = add(sales, "a.txt", "one", "hr")
    assert add(sales, "a.txt", "one and a half").pk == document.pk
    assert names_of(document) == ["hr"]


def test_it_edits_the_tags_of_one_document_in_its_dialog(people: People, sales: Corpus) -> None:
    document = add_waiting(sales, "a.md")
    add_tags(add_waiting(sales, "b.md"), ["travel", "hr"])
    add_tags(document, ["hr"])
    url = reverse("ingestion:document_tags", args=[document.pk])
    olga = client_of(people.olga)
    shown = olga.get(url, **HTMX).content.decode()
    assert 'value="hr"' in shown and "In use in this corpus: hr, travel." in shown
    refused = olga.post(url, {"tags": 'a "quoted" one'}, **HTMX)
    assert "no quotation marks" in refused.content.decode() and names_of(document) == ["hr"]
    assert olga.post(url, {"tags": "Leave, <b>bold</b>"}, **HTMX).headers["HX-Trigger"] == "documents-changed, dialog-done"
    table = olga.get(reverse("ingestion:corpus", args=[sales.slug])).content.decode()
    assert '<span class="tag">Leave</span>' in table and "&lt;b&gt;bold&lt;/b&gt;" in table and "<b>bold" not in table
    found = olga.get(reverse("ingestion:corpus", args=[sales.slug]), {"find": "LEAVE"}).content.decode()
    assert "a.md" in found and "b.md" not in found
    assert olga.post(url, {"tags": ""}).status_code == 302 and names_of(document) == []


def test_it_shows_the_tags_to_those_who_read_the_document(people: People, sales: Corpus) -> None:
    document = add(sales, "leave.md", "Leave is counted in days.", "hr", "Leave")
    work_until_empty()
    assert (
        "Tags <b>hr, Leave</b>" in client_of(people.ben).get(reverse("ingestion:document", args=[document.pk])).content.decode()
    )


def test_it_tags_a_folder_that_is_imported(sales: Corpus, tmp_path: Path) -> None:
    (tmp_path / "leave.md").write_text("Leave is counted in days.")
    arguments = (str(tmp_path), "--corpus", "Sales", "--queue-only")
    with pytest.raises(CommandError, match="at most 40"):
        call_command("import_folder", *arguments, "--tag", "x" * 41, stdout=io.StringIO())
    assert not sales.documents.exists()
    call_command("import_folder", *arguments, "--tag", "hr", "--tag", "Leave", stdout=io.StringIO())
    assert names_of(sales.documents.get()) == ["hr", "Leave"]
    assert tags_in(sales) == ["hr", "Leave"]


def test_it_tags_by_the_api(people: People, sales: Corpus) -> None:
    output = io.StringIO()
    call_command("create_token", "olga", "--name", "build", "--scopes", "read,search,manage", "--json", stdout=output)
    client = Client(headers={"Authorization": f"Bearer {json.loads(output.getvalue())['token']}"})
    url = reverse("api:corpus_documents", args=[sales.slug])
    added = client.post(f"{url}?tags=hr,%20Leave", {"file": SimpleUploadedFile("a.md", b"Some words.")}).json()
    assert added["document"]["tags"] == ["hr", "Leave"]
    tags = reverse("api:document_tags", args=[added["document"]["id"]])
    assert client.put(tags, {"tags": ["travel"]}, content_type="application/json").json()["tags"] == ["travel"]
    add(sales, "b.md", "Other words.")
    work_until_empty()
    found = client.post(reverse("api:search"), {"query": "words", "tags": ["TRAVEL"]}, content_type="application/json").json()
    assert [row["source_name"] for row in found["passages"]] == ["a.md"]
    refused = client.put(tags, {"tags": ["x" * 41]}, content_type="application/json")
    assert refused.status_code == 400 and "at most 40" in refused.json()["error"]["message"]
    assert [row["tags"] for row in client.get(url).json()["documents"]] == [["travel"], []]


# --- A file's own -----------------------------------------------------------------------------------------------------


def _with_keywords(make: Any, fill: Any, properties: str) -> bytes:
    """An Office file whose properties have keywords."""

    def filled(document: Any) -> None:
        fill(document)
        getattr(document, properties).keywords = "HR; Annual leave, "

    return make(filled)


def _slide(presentation: Any) -> None:
    presentation.slides.add_slide(presentation.slide_layouts[1]).shapes.title.text = "Leave"


OWN = {
    "yaml.md": b"---\ntitle: Leave\ntags: [HR, 'Annual leave'] # ours\n---\nLeave is counted in days.",
    "list.md": b'---\nKeywords:\n  - HR\n  - "Annual leave"  # the long one\nauthor: Ada, Ben\n---\nLeave is counted in days.',
    "toml.md": b"+++\ntags = [\n\"HR\",\n  'Annual leave',\n]\ndate = 2025-01-01\n+++\nLeave is counted in days.",
    "line.md": b"---\nkeywords: HR, Annual leave\nmenu:\n  tags: nested\n---\nLeave.\n\ntags: no front matter",
    "page.html": b"<meta name='Keywords' content='HR, Annual leave'><meta name=author content=Ada><body><p>Leave.",
    "text.docx": _with_keywords(make_docx, lambda document: document.add_paragraph("Leave."), "core_properties"),
    "slides.pptx": _with_keywords(make_pptx, _slide, "core_properties"),
    "sheet.xlsx": _with_keywords(make_xlsx, lambda workbook: workbook.active.append(["Leave", "Days"]), "properties"),
    "paper.pdf": make_pdf([paragraphs("Leave is counted in days.")], keywords="HR, Annual leave"),
}


def test_it_takes_the_tags_that_files_have_themselves_from_a_folder(sales: Corpus, tmp_path: Path) -> None:
    for name, content in OWN.items():
        (tmp_path / name).write_bytes(content)
    call_command("import_folder", str(tmp_path), "--corpus", "Sales", "--tag", "ours", stdout=io.StringIO(), stderr=io.StringIO())
    found = {document.source_name: sorted(names_of(document)) for document in sales.documents.all()}
    assert found == {name: ["Annual leave", "HR", "ours"] for name in OWN}
    assert searched('leave tag:"annual LEAVE"'), "they are tags as all others"


@pytest.mark.parametrize("name", OWN)
def test_it_takes_the_tags_that_a_file_has_itself_from_an_upload(people: People, sales: Corpus, name: str) -> None:
    form = {"paths": [name], "files": [SimpleUploadedFile("upload", OWN[name])], "tags": ""}
    client_of(people.olga).post(reverse("ingestion:upload", args=[sales.slug]), form)
    work_until_empty()
    assert sorted(names_of(sales.documents.get())) == ["Annual leave", "HR"]


def test_it_leaves_out_what_no_tag_can_be_and_what_there_is_no_room_for(sales: Corpus) -> None:
    front = ", ".join(["x" * 41, 'two "words" here', "hr", *(f"tag {number}" for number in range(30))])
    document = add(sales, "a.md", f"---\ntags: {front}\n---\nLeave is counted in days.", "HR", "ours")
    work_until_empty()
    document.refresh_from_db()
    assert document.state == "ready" and document.warnings == []
    assert sorted(names_of(document)) == sorted(["HR", "ours", *(f"tag {number}" for number in range(18))])


def test_it_adds_what_a_new_version_has_and_takes_nothing_away(sales: Corpus) -> None:
    document = add(sales, "a.md", "---\ntags: [draft, HR]\n---\nLeave is counted in days.", "ours")
    work_until_empty()
    add(sales, "a.md", "---\ntags: [final]\n---\nLeave is counted in hours.")
    work_until_empty()
    assert names_of(document) == ["draft", "final", "HR", "ours"]


def test_it_does_not_put_back_what_an_owner_has_taken_off(people: People, sales: Corpus) -> None:
    document = add(sales, "a.md", "---\ntags: [draft, HR]\n---\nLeave is counted in days.")
    work_until_empty()
    set_tags(document, ["HR"])
    retry_document(document=document)
    work_until_empty()
    narrow_document(document=document, groups=[people.engineering])
    work_until_empty()
    document.refresh_from_db()
    assert document.state == "ready" and names_of(document) == ["HR"]


def test_a_message_gets_no_tags_from_what_its_sender_wrote(sales: Corpus) -> None:
    head = "From: a@example.org\nSubject: Leave\nContent-Type: text/html\n\n"
    document = add(sales, "a.eml", f"{head}<meta name=keywords content=cheap><body><p>Leave is counted in days.")
    work_until_empty()
    assert document.content.text.endswith("Leave is counted in days.") and names_of(document) == []
