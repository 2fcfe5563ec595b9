from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

from ingestion import services
from ingestion.models import Corpus, Document
from ingestion.worker import work_until_empty
from retrieval.builds import get_search_embedder
from retrieval.indexing import stored_vectors
from tests.people import LEAVE, People, make_corpora

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def embedded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was embedded as a passage."""
    embedder, texts = get_search_embedder(), []
    embed = embedder.embed_passages

    def noted(some: Any) -> Any:
        texts.extend(some)
        return embed(some)

    monkeypatch.setattr(embedder, "embed_passages", noted)
    return texts


@pytest.fixture
def corpora(people: People) -> tuple[Corpus, Corpus]:
    return make_corpora(people)[:2]


def add(corpus: Corpus) -> Document:
    return services.add_document(
        corpus=corpus, source_name="leave.md", content=io.BytesIO(LEAVE.encode()), uploaded_by=corpus.owner
    ).document


def add_and_work(corpus: Corpus) -> Document:
    document = add(corpus)
    work_until_empty()
    return document


def vectors_of(document: Document) -> np.ndarray:
    document.refresh_from_db()
    ids = list(document.chunks.order_by("position").values_list("pk", flat=True))
    known = stored_vectors(document.partition.key, ids, embedder=get_search_embedder().name)
    return np.stack([known[pk] for pk in ids])


def test_it_embeds_what_another_corpus_has_word_for_word_only_once(corpora: tuple[Corpus, Corpus], embedded: list[str]) -> None:
    first = add_and_work(corpora[0])
    made = len(embedded)
    second = add_and_work(corpora[1])
    assert made and len(embedded) == made
    assert first.partition != second.partition
    np.testing.assert_array_equal(vectors_of(first), vectors_of(second))


def test_it_embeds_what_stands_twice_among_new_documents_once(corpora: tuple[Corpus, Corpus], embedded: list[str]) -> None:
    first, second = add(corpora[0]), add(corpora[1])
    work_until_empty()
    assert len(embedded) == len(set(embedded)) == first.chunks.count() == second.chunks.count()


def test_it_embeds_anew_what_has_left_its_index(corpora: tuple[Corpus, Corpus], embedded: list[str]) -> None:
    first = add_and_work(corpora[0])
    services.delete_document(document=first)
    work_until_empty()
    made = len(embedded)
    vectors_of(add_and_work(corpora[1]))
    assert len(embedded) == 2 * made
