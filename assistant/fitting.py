"""Turns questions with known answers into the composer's rows: searched and cut up exactly as an answer is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from assistant.squad_format import SquadArticle, SquadQuestion
from ingestion.chunking import ChunkDraft, chunk_document
from retrieval.passages import Passage
from specialists.extractive import Evidence, features, list_candidates

if TYPE_CHECKING:
    from retrieval.search import SearchResult


@dataclass(frozen=True, slots=True)
class Example:
    """A question's candidate sentences. rows: (sentences, features); labels: 1 where the sentence holds the answer."""

    rows: NDArray[np.float64]
    labels: NDArray[np.float64]
    is_answerable: bool


@dataclass(frozen=True, slots=True)
class LoadedArticles:
    """Articles in an index of their own. `chunks` maps a passage's id to its article and draft."""

    partition: str
    chunks: dict[int, tuple[SquadArticle, ChunkDraft]]


def load_articles(articles: Sequence[SquadArticle], partition: str) -> LoadedArticles:
    from retrieval.builds import get_search_embedder
    from retrieval.embedders import get_embedder
    from retrieval.indexing import drop_partition, write_passages

    embedder = get_search_embedder()
    drop_partition(partition)
    drafts = [
        (article, draft)
        for article in articles
        for draft in chunk_document(article.document, title=article.title, count_tokens=get_embedder().count_tokens)
    ]
    chunks = dict(enumerate(drafts, start=1))
    passages = [
        Passage(number, article.document.text[draft.start : draft.end], draft.context)
        for number, (article, draft) in chunks.items()
    ]
    vectors = embedder.embed_passages([passage.searchable_text for passage in passages])
    write_passages(partition, add=passages, vectors=vectors, embedder=embedder.name)
    return LoadedArticles(partition, chunks)


def unload_articles(loaded: LoadedArticles) -> None:
    from retrieval.indexing import drop_partition

    drop_partition(loaded.partition)


def make_examples(question: SquadQuestion, loaded: LoadedArticles) -> list[Example]:
    """One example, or none when nothing was found."""
    evidence, _found = find_evidence(question.text, loaded)
    candidates = list_candidates(question.text, evidence)
    if not candidates:
        return []
    here = {id(article): article for article, _ in loaded.chunks.values()}
    owner = next((article for article in here.values() if question in article.questions), None)
    labels = []
    for candidate in candidates:
        article, draft = loaded.chunks[candidate.evidence.passage]
        start, end = draft.start + candidate.start, draft.start + candidate.end
        labels.append(float(article is owner and any(start <= s and e <= end for s, e in question.answers)))
    return [Example(features(question.text, candidates), np.array(labels), bool(question.answers) and owner is not None)]


def find_evidence(question: str, loaded: LoadedArticles) -> tuple[list[Evidence], SearchResult]:
    """What an answer would read, best first, and the search that brought it."""
    from retrieval.search import search
    from specialists.reader.serving import ReaderPassage
    from specialists.reranker.choosing import CANDIDATES, choose

    found = search(question, scope=[loaded.partition], top_k=CANDIDATES)
    drafts = {hit.id: loaded.chunks[hit.id] for hit in found.hits}
    passages = [
        ReaderPassage(number, article.document.text[draft.start : draft.end], draft.context)
        for number, (article, draft) in drafts.items()
    ]
    chosen = choose(question, found, passages)
    best = max((hit.score for hit in chosen.hits), default=1.0)
    return [_evidence(hit.id, *drafts[hit.id], hit.score / best) for hit in chosen.hits], chosen


def _evidence(number: int, article: SquadArticle, draft: ChunkDraft, relevance: float) -> Evidence:
    text = article.document.text[draft.start : draft.end]
    sentences = tuple((start - draft.start, end - draft.start) for start, end in draft.sentences)
    return Evidence(number, draft.context, text, sentences, relevance, document=id(article))
