"""Searching without an answer: filters, neighbours, copies, and questions that are hardly any, by command and page."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from ingestion.filters import FilterError, Filters, read_filters
from ingestion.models import Corpus, Document
from ingestion.services import add_document
from ingestion.worker import work_until_empty
from tests.ingestion.pages import client_of
from tests.people import People, make_corpora, make_people

pytestmark = pytest.mark.django_db
PAGE = "/manage/search-test"
LONG = "\n\n".join(
    f"## Part {number}\n\nThe heron number {number} " + " ".join(f"stands{number}{word}" for word in range(60))
    for number in (1, 2)
)


@pytest.fixture
def corpus(settings: Any) -> Corpus:
    settings.EMBEDDER = {"BACKEND": "tests.retrieval.embedders.HashingEmbedder", "OPTIONS": {}}
    people = make_people()
    sales = make_corpora(people)[1]
    for name, text in {
        "leave.md": "# Leave\n\nParental leave lasts eighteen weeks at full pay and can be taken in up to three parts.",
        "old/leave.md": "# Leave\n\nParental leave lasts eighteen weeks at full pay and can be taken in up to three parts.",
        "herons.md": f"# Herons\n\n{LONG}",
        "codes.txt": "The gateway answers ERR_4021 when it is full.",
        "kanji.txt": "休暇は年に二十日です。",
    }.items():
        add_document(corpus=sales, source_name=name, content=io.BytesIO(text.encode()), uploaded_by=sales.owner)
    work_until_empty()
    Document.objects.filter(source_name="old/leave.md").update(updated_at=datetime(2020, 5, 1, tzinfo=UTC))
    return sales


def searched(query: str, *arguments: str) -> list[dict[str, Any]]:
    output = io.StringIO()
    call_command("search", query, "--as", "olga", "--json", *arguments, stdout=output)
    found: list[dict[str, Any]] = json.loads(output.getvalue())
    return found


@pytest.mark.parametrize(
    "query", ["the of and", "x", "?", "🙂", "休暇", "отпуск", '"leave AND (', "leave" * 20_000, "title", "a:b", "\u202e"]
)
def test_it_answers_every_query_with_results_or_a_sentence(corpus: Corpus, query: str) -> None:
    assert isinstance(searched(query), list)
    page = client_of(corpus.owner).get(PAGE, {"q": query})
    assert page.status_code == 200
    text = page.content.decode()
    assert "<tbody>" in text or "Nothing was found" in text


def test_it_says_that_a_long_question_is_cut(corpus: Corpus) -> None:
    assert "Only the first 500 characters" in client_of(corpus.owner).get(PAGE, {"q": "leave " * 20_000}).content.decode()


@pytest.mark.parametrize(("query", "first"), [("ERR_4021", "codes.txt"), ("休暇", "kanji.txt")])
def test_it_finds_what_is_written_so(corpus: Corpus, query: str, first: str) -> None:
    assert searched(query)[0]["document"] == first


def test_it_shows_copies_once_and_the_newest_of_them(corpus: Corpus) -> None:
    found = [row for row in searched("parental leave") if "eighteen weeks" in row["text"]]
    assert [(row["document"], row["also_in"]) for row in found] == [("leave.md", ["old/leave.md"])]
    Document.objects.filter(source_name="leave.md").update(updated_at=datetime(2019, 5, 1, tzinfo=UTC))
    found = [row for row in searched("parental leave") if "eighteen weeks" in row["text"]]
    assert [(row["document"], row["also_in"]) for row in found] == [("old/leave.md", ["leave.md"])]


def test_it_shows_neighbours_as_one_passage(corpus: Corpus) -> None:
    herons = [row for row in searched("heron number") if row["document"] == "herons.md"]
    assert len(herons) == 1
    assert "heron number 1" in herons[0]["text"] and "heron number 2" in herons[0]["text"]


def test_it_narrows_by_arguments_and_by_words(corpus: Corpus) -> None:
    documents = {row["document"] for row in searched("leave", "--type", "txt")}
    assert documents == {"codes.txt", "kanji.txt"} == {row["document"] for row in searched("leave type:.TXT")}
    assert {row["document"] for row in searched('leave title:"old/le"')} == {"old/leave.md"}
    assert {row["document"] for row in searched("leave title:“old/le”")} == {"old/leave.md"}
    assert {row["document"] for row in searched("leave before:2021")} == {"old/leave.md"}
    assert "old/leave.md" not in {row["document"] for row in searched("leave", "--after", "2021-01")}
    assert {row["corpus"] for row in searched("leave", "--corpus", "sales")} == {"Sales"}  # its slug
    assert {row["corpus"] for row in searched("leave owner:OLGA corpus:sales")} == {"Sales"}


def refusal(command: str, query: str, *arguments: str, person: str = "cy") -> str:
    with pytest.raises(CommandError) as refused:
        call_command(command, query, "--as", person, *arguments, stdout=io.StringIO())
    return str(refused.value)


def test_it_widens_nothing(corpus: Corpus) -> None:
    """Cy is outside of the corpus's audience, whatever is asked for."""
    output = io.StringIO()
    call_command("search", "leave owner:ada title:leave", "--as", "cy", "--json", stdout=output)
    assert json.loads(output.getvalue()) == []


@pytest.mark.parametrize(
    "name",
    ["olga", "INÊS", "ines", "carvalho", '"Inês Carvalho"', '"ines  carvalho"', "“ines CARVALHO”", '"Ine\u0302s Carvalho"'],
)
def test_it_finds_an_owner_by_each_name_without_regard_to_case_and_accents(corpus: Corpus, name: str) -> None:
    User.objects.filter(pk=corpus.owner_id).update(first_name="Inês", last_name="Carvalho")
    found = searched(f"leave owner:{name}")
    assert found and {row["corpus"] for row in found} == {"Sales"}
    assert {row["corpus"] for row in searched(f"leave owner:{name} owner:ada")} == {"Sales"}


@pytest.mark.parametrize("command", ["search", "explain_search"])
def test_it_names_an_owner_of_corpora_that_are_closed_as_it_names_none(corpus: Corpus, command: str) -> None:
    said = [refusal(command, f"leave owner:{name}") for name in ("nobody", "olga", "OLGA", '"nobody"', "cy")]
    assert said[0] == (
        "There is no owner “nobody” of a corpus that you may search here. You may search the corpora of Ada Moreau."
    )
    assert said[1].replace("olga", "nobody") == said[2].replace("OLGA", "nobody") == said[3] == said[0]
    assert said[4].replace("cy", "nobody") == said[0]
    assert refusal(command, "leave owner:\u0301") != ""  # nothing but an accent is no name
    assert "no owner “ada”" in refusal(command, "leave owner:ada", "--corpus", "Sales", person="olga")


@pytest.mark.parametrize("command", ["search", "explain_search"])
def test_it_names_a_corpus_that_the_person_may_not_read_as_it_names_none(corpus: Corpus, command: str) -> None:
    said = [refusal(command, f"leave corpus:{name}") for name in ("nosuch", "sales", "Sales", '"nosuch"')]
    assert said[0] == "There is no corpus “nosuch” that you may search here. You may search Handbook."
    assert said[1].replace("sales", "nosuch") == said[2].replace("Sales", "nosuch") == said[3] == said[0]
    said = [refusal(command, "leave", "--corpus", name) for name in ("nosuch", "sales", "Sales")]
    assert said[0] == "cy may read no corpus named 'nosuch'. There is Handbook."
    assert said[1].replace("sales", "nosuch") == said[2].replace("Sales", "nosuch") == said[0]
    assert "Sales" in refusal(command, "leave corpus:handbook corpus:nosuch", person="olga")
    assert "You may search Sales." in refusal(command, "leave corpus:handbook", "--corpus", "Sales", person="olga")


@pytest.mark.parametrize("command", ["search", "explain_search"])
def test_it_names_a_quotation_mark_that_is_never_closed(corpus: Corpus, command: str) -> None:
    for query in ('title:"trav leave', "title:“trav leave"):
        said = refusal(command, query, person="olga")
        assert said.startswith("The quotation mark after title: is never closed.") and 'title:"trav leave"' in said


def test_it_refuses_a_filter_that_it_cannot_read(corpus: Corpus) -> None:
    for query, sentence in (
        ("leave after:soon", "takes a day"),
        ("type:md", "no words"),
        ("leave title: x", "there is nothing"),
        ("leave type:wrod", "no type “wrod”"),
    ):
        if query.endswith(" x"):
            assert read_filters(query) == (query, Filters())  # a colon and a space are a sentence's
            continue
        with pytest.raises(CommandError, match=sentence):
            searched(query)
    with pytest.raises(CommandError, match="not both"):
        searched("leave type:md", "--type", "txt")


def test_it_leaves_other_colons_alone() -> None:
    assert read_filters("what is http://intranet/a or 10:30? note: x") == (
        "what is http://intranet/a or 10:30? note: x",
        Filters(),
    )
    words, filters = read_filters('TYPE:pdf travel title:"room rates" after:2025-02')
    assert words == "travel" and filters.types == ("pdf",) and filters.titles == ("room rates",)
    assert filters.after is not None and filters.after.isoformat() == "2025-02-01"
    with pytest.raises(FilterError):
        read_filters("before:2025-13-01")


def test_it_explains_a_search(corpus: Corpus) -> None:
    output = io.StringIO()
    call_command("explain_search", "ERR_4021 type:txt", "--as", "olga", "--json", stdout=output)
    told = json.loads(output.getvalue())
    assert told["words"] == "ERR_4021" and told["narrowed_to"] == 2 and told["dropped"] == 0
    first = next(row for row in told["passages"] if row["document"] == "codes.txt")
    assert first["lexical"] == 1 and first["fused"] == 1 and first["is_read"]
    assert {"embed", "dense", "lexical", "fuse", "feedback", "second gate", "rerank"} == set(told["timings_ms"])
    output = io.StringIO()
    call_command("explain_search", "ERR_4021", "--as", "olga", stdout=output)
    assert "codes.txt" in output.getvalue() or "gateway" in output.getvalue()


def test_it_explains_nothing_to_a_stranger(people: People) -> None:
    output = io.StringIO()
    make_corpora(people)
    call_command("explain_search", "rebate", "--as", "cy", stdout=output)
    assert "February" not in output.getvalue()
