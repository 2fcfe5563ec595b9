"""The search test: ranks side by side, and nothing that the person may not read or does not manage."""

from __future__ import annotations

import sys
import types
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from ingestion.models import Chunk, Corpus, Document
from retrieval.errors import RetrievalError
from retrieval.passages import Hit
from tests.ingestion.pages import add_ready, client_of
from tests.people import People, make_corpora

pytestmark = pytest.mark.django_db
URL = "/manage/search-test"


@dataclass(frozen=True)
class Result:
    hits: tuple[Hit, ...]
    dense: tuple[Hit, ...]
    lexical: tuple[Hit, ...]
    timings_ms: dict[str, float]


@dataclass
class Searched:
    """What the stand-in for retrieval.search was asked, and what it answers."""

    result: Result
    scope: Sequence[str] = ()
    question: str = ""


@pytest.fixture
def sales(people: People) -> Corpus:
    return make_corpora(people)[1]


@pytest.fixture
def searched(monkeypatch: pytest.MonkeyPatch) -> Searched:
    asked = Searched(Result((), (), (), {"embed": 6.25}))
    module = types.ModuleType("retrieval.search")

    def search(question: str, *, scope: Sequence[str], top_k: int = 12) -> Result:
        asked.scope, asked.question = scope, question
        if question == "broken":
            raise RetrievalError("index_damaged", "The index is damaged. Ask an administrator to rebuild it.")
        return asked.result

    module.search = search  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "retrieval.search", module)
    return asked


def chunk_of(document: Document) -> int:
    return Chunk.objects.get(document=document).pk


def hits(*documents: Document) -> tuple[Hit, ...]:
    return tuple(Hit(chunk_of(document), 1.0) for document in documents)


def test_it_shows_the_ranks_side_by_side(people: People, sales: Corpus, searched: Searched) -> None:
    one, two = add_ready(sales, "one.md", "Words of one."), add_ready(sales, "two.pdf", "Words of two.", pages=7)
    searched.result = Result(hits(two, one), hits(one), hits(two), {"embed": 6.25, "dense": 1.5})
    page = client_of(people.olga).get(URL, {"q": " rebate ", "corpus": sales.slug}).content.decode()
    assert searched.question == "rebate" and list(searched.scope) == [one.partition.key]
    rows = page.split("<tbody>")[1].split("<tr>")[1:]
    assert "Words of two." in rows[0] and "Page 1" in rows[0] and "Words of one." in rows[1]
    ranks = [[cell.split(">")[1].split("<")[0] for cell in row.replace("<b>", "").split("<td")[1:4]] for row in rows]
    assert ranks == [["1", "–", "1"], ["2", "1", "–"]]
    assert "Embed <b>6.3 ms</b>" in page or "Embed <b>6.2 ms</b>" in page
    assert f"/documents/{one.pk}/?start=0&amp;end=13#evidence-1" in page


def test_it_opens_only_what_the_person_manages_and_may_read(people: People, sales: Corpus, searched: Searched) -> None:
    secret = add_ready(sales, "secret.md", "Fredonia is bought.")
    public = add_ready(Corpus.objects.get(name="Handbook"), "public.md", "Leave is long.")
    searched.result = Result(hits(secret, public), (), (), {})
    page = client_of(people.ada).get(URL, {"q": "fredonia"}).content.decode()
    assert list(searched.scope) == [public.partition.key]
    assert "Leave is long." in page and "Fredonia is bought" not in page and ">Sales<" not in page
    page = client_of(people.olga).get(URL, {"q": "fredonia", "corpus": "handbook"}).content.decode()
    assert list(searched.scope) == [secret.partition.key]
    assert "Fredonia is bought" in page and "Leave is long" not in page


def test_it_drops_passages_that_are_no_longer_live(people: People, sales: Corpus, searched: Searched) -> None:
    document = add_ready(sales, "old.md", "Old words.")
    searched.result = Result((*hits(document), Hit(10**6, 0.5)), (), (), {})
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
    searched.result = Result(hits(add_ready(sales, "x.md", hostile, title=hostile)), (), (), {})
    page = client_of(people.olga).get(URL, {"q": hostile}).content.decode()
    assert "<script>alert" not in page and page.count("&lt;script&gt;alert(1)") >= 3


def test_it_is_for_managers(people: People, sales: Corpus, searched: Searched) -> None:
    assert client_of(people.ben).get(URL, {"q": "a"}).status_code == 404
    assert client_of(None).get(URL, {"q": "a"}).status_code == 302
