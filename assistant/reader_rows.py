"""Questions about a folder of pages as rows for the reader: with the passages that the product cuts the pages into."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from assistant.squad_format import SquadArticle, SquadQuestion
from ingestion.chunking import ChunkDraft, chunk_document

VERSION = "intramural-questions-1"


def as_reader_rows(articles: Sequence[SquadArticle]) -> dict[str, Any]:
    """In SQuAD's form: one article per heading path, one paragraph per passage. A question stands with each passage that holds
    an answer whole; one that its page does not answer, with the page's passage that is closest to it."""
    rows = []
    for place, article in enumerate(articles):
        drafts = _drafts(article) if article.questions else []
        found: dict[int, list[dict[str, Any]]] = {}
        for number, question in enumerate(article.questions):
            for index, answers in _passages_of(question, article, drafts):
                identity = f"{place}-{number}-{index}"
                asked = {"id": identity, "question": question.text, "answers": answers, "is_impossible": not answers}
                found.setdefault(index, []).append(asked)
        rows += [
            {"title": drafts[index].context, "paragraphs": [{"context": _text(article, drafts[index]), "qas": asked}]}
            for index, asked in sorted(found.items())
        ]
    return {"version": VERSION, "data": rows}


def _passages_of(
    question: SquadQuestion, article: SquadArticle, drafts: Sequence[ChunkDraft]
) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    if not question.answers:
        if drafts:
            yield _closest(question.text, [f"{draft.context}\n{_text(article, draft)}" for draft in drafts]), []
        return
    for index, draft in enumerate(drafts):
        inside = [(start, end) for start, end in question.answers if draft.start <= start and end <= draft.end]
        if inside:
            text = article.document.text
            yield index, [{"text": text[start:end], "answer_start": start - draft.start} for start, end in inside]


def _drafts(article: SquadArticle) -> list[ChunkDraft]:
    from retrieval.embedders import get_embedder

    return chunk_document(article.document, title=article.title, count_tokens=get_embedder().count_tokens)


def _text(article: SquadArticle, draft: ChunkDraft) -> str:
    return article.document.text[draft.start : draft.end]


def _closest(question: str, passages: Sequence[str]) -> int:
    from retrieval.embedders import get_embedder

    embedder = get_embedder()
    return int((embedder.embed_passages(passages) @ embedder.embed_queries([question])[0]).argmax())
