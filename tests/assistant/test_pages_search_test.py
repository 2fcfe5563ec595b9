"""The search test: ranks side by side, and nothing that the person may not read or does not manage."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import pytest
from django.core.management import call_command

from ingestion.models import Chunk, Corpus, Document
from retrieval.errors import RetrievalError
from retrieval.passages import Hit
from retrieval.search import SearchResult
from tests.ingestion.pages import add_ready, client_of
from tests.people import People, make_corpora

pytestmark = pytest.mark.django_db
URL = "/manage/search-test"


@dataclass
class Searched:
    """What the stand-in for retrieval.search was asked, and what it answers."""

    result: SearchResult
    scope: Sequence[str] = ()
    question: str = ""
    only: Collection[int] | None = None


@pytest.fixture
def sales(people: People) -> Corpus:
    return make_corpora(people)[1]


@pytest.fixture
def searched(monkeypatch: pytest.MonkeyPatch) -> Searched:
    asked = Searched(SearchResult((), (), (), (), {"embed": 6.25}))

    def search(question: str, *, scope: Sequence[str], top_k: int = 12, only: Collection[int] | None = None) -> SearchResult:
        asked.scope, asked.question, asked.only = scope, question, only
        if question == "broken":
            raise RetrievalError("index_damaged", "The index is damaged. Ask an administrator to rebuild it.")
        return asked.result

    monkeypatch.setattr("retrieval.search.search", search)
    monkeypatch.setattr("specialists.reranker.choosing.get_reranker", lambda: None)
    return asked


def chunk_of(document: Document) -> int:
    return Chunk.objects.get(document=document).pk


def hits(*documents: Document) -> tuple[Hit, ...]:
    return tuple(Hit(chunk_of(document), 1.0) for document in documents)


def ranks_of(page: str) -> list[list[str]]:
    """The words of each row's cells, without the passage's."""
    rows = page.split("<tbody>")[1].split("</tbody>", maxsplit=1)[0].split("<tr")[1:]
    cells = [[re.sub("<[^>]*>", " ", f"<td{cell}") for cell in row.split("<td")[1:6]] for row in rows]
    return [[" ".join(cell.split()) for cell in row] for row in cells]


def test_it_shows_the_ranks_side_by_side(people: People, sales: Corpus, searched: Searched) -> None:
    one, two = add_ready(sales, "one.md", "Words of one."), add_ready(sales, "two.pdf", "Words of two.", pages=7)
    searched.result = SearchResult(hits(two, one), hits(one), hits(two), hits(one, two), {"embed": 6.25, "dense": 1.5})
    page = client_of(people.olga).get(URL, {"q": " rebate ", "corpus": sales.slug}).content.decode()
    assert searched.question == "rebate" and list(searched.scope) == [one.partition.key]
    rows = page.split("<tbody>")[1].split("<tr")[1:]
    assert "Words of two." in rows[0] and "Page 1" in rows[0] and "Words of one." in rows[1]
    assert ranks_of(page) == [["–", "1", "2 ▼1 down", "1 ▲1 up", "1"], ["1", "–", "1", "2 ▼1 down", "2"]]
    assert "Embed <b>6.3 ms</b>" in page or "Embed <b>6.2 ms</b>" in page
    assert f"/documents/{one.pk}/?start=0&amp;end=13#evidence-1" in page


def test_it_shows_how_a_passage_moved_from_column_to_column(people: People, sales: Corpus, searched: Searched) -> None:
    a, b, c = (add_ready(sales, f"{name}.md", f"Words of {name}.") for name in "abc")
    searched.result = SearchResult(hits(c, a, b), hits(a, b, c), hits(c, b), hits(a, b, c), {})
    page = client_of(people.olga).get(URL, {"q": "rebate"}).content.decode()
    assert ranks_of(page) == [
        ["3", "1 ▲2 up", "3 ▼2 down", "1 ▲2 up", "1"],
        ["1", "–", "1", "2 ▼1 down", "2"],
        ["2", "2", "2", "3 ▼1 down", "3"],
    ]
    output = io.StringIO()
    call_command("explain_search", "rebate", "--as", "olga", stdout=output)
    told = [line.split("  ") for line in output.getvalue().splitlines() if ".md" in line]
    assert [[part.strip() for part in line if part.strip()][:5] for line in told] == [
        ["3", "1 ▲2", "3 ▼2", "1 ▲2", "1*"],
        ["1", "–", "1", "2 ▼1", "2*"],
        ["2", "2", "2", "3 ▼1", "3*"],
    ]
    output = io.StringIO()
    call_command("explain_search", "rebate", "--as", "olga", "--json", stdout=output)
    moved = [row["moved"] for row in json.loads(output.getvalue())["passages"]]
    assert moved[0] == {"lexical": 2, "fused": -2, "feedback": 2, "reranked": 0}
    assert moved[1] == {"lexical": None, "fused": None, "feedback": -1, "reranked": 0}


def test_it_opens_only_what_the_person_manages_and_may_read(people: People, sales: Corpus, searched: Searched) -> None:
    secret = add_ready(sales, "secret.md", "Fredonia is bought.")
    public = add_ready(Corpus.objects.get(name="Handbook"), "public.md", "Leave is long.")
    searched.result = SearchResult(hits(secret, public), (), (), (), {})
    page = client_of(people.ada).get(URL, {"q": "fredonia"}).content.decode()
    assert list(searched.scope) == [public.partition.key]
    assert "Leave is long." in page and "Fredonia is bought" not in page and ">Sales<" not in page
    page = client_of(people.olga).get(URL, {"q": "fredonia", "corpus": "handbook"}).content.decode()
    assert list(searched.scope) == [secret.partition.key]
    assert "Fredonia is bought" in page and "Leave is long" not in page


def test_it_drops_passages_that_are_no_longer_live(people: People, sales: Corpus, searched: Searched) -> None:
    document = add_ready(sales, "old.md", "Old words.")
    searched.result = SearchResult((*hits(document), Hit(10**6, 0.5)), (), (), (), {})
    Document.objects.filter(pk=document.pk).update(revision=2)
    page = client_of(people.olga).get(URL, {"q": "words"}).content.decode()
    assert "Old words" not in page and "Nothing was found" in page


def test_it_says_what_is_wrong_with_the_search(people: People, sales: Corpus, searched: Searched) -> None:
    page = client_of(people.olga).get(URL, {"q": "broken"})
    assert page.status_code == 200
    assert "The index is damaged. Ask an administrator to rebuild it." in page.content.decode()


def test_it_searches_nothing_without_a_question(people: People, sales: Corpus, searched: Searched) -> None:
    for query in ({}, {"q": "   "}):
        assert client_of(people.olga).get(URL, query).status_code == 200
    assert searched.question == ""


def test_it_shows_hostile_passages_and_questions_as_words(people: People, sales: Corpus, searched: Searched) -> None:
    hostile = "<script>alert(1)</script>"
    searched.result = SearchResult(hits(add_ready(sales, "x.md", hostile, title=hostile)), (), (), (), {})
    page = client_of(people.olga).get(URL, {"q": hostile}).content.decode()
    assert "<script>alert" not in page and page.count("&lt;script&gt;alert(1)") >= 3


def test_it_is_for_managers(people: People, sales: Corpus, searched: Searched) -> None:
    assert client_of(people.ben).get(URL, {"q": "a"}).status_code == 404
    assert client_of(None).get(URL, {"q": "a"}).status_code == 302


def test_it_narrows_by_the_words_of_the_box(people: People, sales: Corpus, searched: Searched) -> None:
    one, two = add_ready(sales, "one.md", "Words of one."), add_ready(sales, "two.md", "Words of two.", title="Travel")
    searched.result = SearchResult(hits(two), (), (), (), {})
    page = client_of(people.olga).get(URL, {"q": 'title:"travel" rebate'}).content.decode()
    assert searched.question == "rebate" and searched.only == {chunk_of(two)} and one.pk != two.pk
    assert "Passed the filters <b>1</b>" in page


@pytest.mark.parametrize(
    ("query", "sentence"),
    [("rebate after:yesterday", "after: takes a day such as 2025-01-31"), ("type:pdf", "There are filters and no words"),
     ('rebate title:""', "After title: there is nothing"),
     ('title:"trav leave', "The quotation mark after title: is never closed"),
     ("rebate corpus:nosuch", "There is no corpus “nosuch” that you may search here. You may search Sales.")],
)  # fmt: skip
def test_it_says_what_is_wrong_with_a_filter(
    people: People, sales: Corpus, searched: Searched, query: str, sentence: str
) -> None:
    page = client_of(people.olga).get(URL, {"q": query})
    assert page.status_code == 200
    assert sentence in page.content.decode() and searched.question == ""


def test_it_shows_how_many_the_second_gate_kept_back_and_not_what_they_say(
    people: People, sales: Corpus, searched: Searched
) -> None:
    kept, gone = add_ready(sales, "kept.md", "Kept words."), add_ready(sales, "gone.md", "Gone words.")
    searched.result = SearchResult(hits(kept, gone), (), (), (), {})
    Document.objects.filter(pk=gone.pk).update(revision=2)
    page = client_of(people.olga).get(URL, {"q": "words"}).content.decode()
    assert "Kept back by the second gate <b>1</b>" in page and "Gone words" not in page


def test_it_says_of_a_corpus_that_is_closed_what_it_says_of_none(people: People, sales: Corpus, searched: Searched) -> None:
    """Ada manages Sales and may not read it."""
    closed, missing = (
        client_of(people.ada).get(URL, {"q": f"rebate corpus:{name}"}).content.decode().split('<form class="search-test"')[1]
        for name in ("sales", "nosuch")
    )
    assert "There is no corpus “nosuch” that you may search here. You may search Handbook." in missing
    assert closed.replace("sales", "nosuch") == missing and searched.question == ""
    page = client_of(people.olga).get(URL, {"q": "rebate corpus:handbook", "corpus": "sales"}).content.decode()
    assert "There is no corpus “handbook” that you may search here. You may search Sales." in page
