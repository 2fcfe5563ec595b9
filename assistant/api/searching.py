"""/api/search and /api/me."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import BaseModel, Field

from assistant.api.asking import named_corpora
from assistant.api.errors import ApiError
from assistant.api.gate import ApiRequest
from assistant.limits.using import allowances
from assistant.presentation import place
from assistant.searching import FoundPassage, search_passages
from assistant.services import plain_text
from ingestion.filters import FilterError, Filters
from ingestion.reading import reading_url
from retrieval.errors import RetrievalError

router = Router(tags=["Search"])
MAX_QUERY = 2000


class SearchRequest(BaseModel):
    query: str = Field(min_length=1, max_length=MAX_QUERY, pattern=r"\S")
    corpora: list[str] = Field(default=[], description="names of corpora; none searches all that may be read")
    top_k: int = Field(default=10, ge=1, le=100)
    types: list[str] = Field(default=[], description="formats, as in pdf or word")
    owners: list[str] = Field(default=[], description="the corpus's owner, by username or name")
    tags: list[str] = Field(default=[], description="tags, as owners put them on documents")
    titles: list[str] = Field(default=[], description="words of the title or the file's name")
    after: date | None = Field(default=None, description="changed on this day or later")
    before: date | None = Field(default=None, description="changed before this day")

    def filters(self) -> Filters:
        """Of several values of one kind any counts; of several kinds all do."""
        lists = {name: tuple(plain_text(item) for item in getattr(self, name)) for name in ("types", "owners", "tags", "titles")}
        return Filters(**lists, after=self.after, before=self.before)


class PassageOut(Schema):
    rank: int
    score: float = Field(description="of the search, before the reranker's order; it says nothing by itself")
    passage: int
    document: int
    title: str
    source_name: str
    corpus: str
    place: str
    page: int | None
    heading_path: list[str]
    text: str
    start: int
    end: int
    url: str
    also_in: list[str] = Field(default=[], description="older documents that say the same")
    newer: str | None = Field(default=None, description="the newest version of the document, where this is an earlier one")


class SearchResponse(Schema):
    passages: list[PassageOut]


class AllowanceOut(Schema):
    """A limit of the day."""

    kind: str = Field(description="questions, tokens or cost")
    used: float
    limit: float
    of_token: bool


class Me(Schema):
    username: str
    name: str
    token: str
    scopes: list[str]
    expires_at: str
    requests_per_minute: int
    today: list[AllowanceOut]


@router.post("/search", url_name="search", response=SearchResponse, summary="Search passages")
def search(request: HttpRequest, body: SearchRequest) -> dict[str, Any]:
    """The passages that the token's person may read, best first."""
    asked: ApiRequest = request  # type: ignore[assignment]
    query = " ".join(plain_text(body.query).split())
    if not query:
        raise ApiError(400, "empty", "Type something to search for.", param="query")
    corpora = named_corpora(asked.token, body.corpora, param="corpora")
    try:
        found = search_passages(
            user=asked.token.user, query=query, corpora=corpora, filters=body.filters(), top_k=body.top_k
        )  # fmt: skip
    except RetrievalError as error:
        raise ApiError(503, error.code, error.public_message) from None
    except FilterError as error:
        raise ApiError(400, "filter", str(error), param="query") from None
    return {"passages": [_passage(item, request) for item in found]}


@router.get("/me", url_name="me", response=Me, summary="Whose token this is, and what it may do")
def me(request: HttpRequest) -> dict[str, Any]:
    asked: ApiRequest = request  # type: ignore[assignment]
    token, person = asked.token, asked.token.user
    return {
        "username": person.username, "name": person.get_full_name(), "token": token.name, "scopes": token.scopes,
        "expires_at": token.expires_at.isoformat(), "requests_per_minute": asked.allowance.limit,
        "today": [
            {"kind": item.kind, "used": item.used, "limit": item.limit, "of_token": item.is_of_token}
            for item in allowances(person, token)
        ],
    }  # fmt: skip


def _passage(found: FoundPassage, request: HttpRequest) -> dict[str, Any]:
    chunk, document = found.chunk, found.chunk.document
    return {
        "rank": found.rank, "score": found.score, "passage": chunk.pk, "document": document.pk, "title": document.title,
        "source_name": document.source_name, "corpus": document.corpus.name,
        "place": place(chunk.page, chunk.heading_path, document.format), "page": chunk.page, "heading_path": chunk.heading_path,
        "text": found.text, "start": found.start, "end": found.end,
        "url": request.build_absolute_uri(reading_url(document, (found.start, found.end))),
        "also_in": [other.title or other.source_name for other in found.also_in],
        "newer": str(found.newer) if found.newer else None,
    }  # fmt: skip
