"""Loads what the first question would otherwise wait for."""

from __future__ import annotations

import logging

from retrieval.errors import RetrievalError
from specialists.errors import SpecialistError
from specialists.language_models import get_language_model
from specialists.router.tiers import installed_tiers
from specialists.router.types import READER

logger = logging.getLogger(__name__)


def load_models() -> None:
    """Load the embedders, the search libraries, the reranker, the reader and the language model into this process. What is
    missing is told again by the first answer."""
    try:
        from retrieval.builds import get_search_embedder
        from retrieval.embedders import get_embedder
        from retrieval.indexes.faiss_cpu import FaissCpuIndex
        from retrieval.terms import query_terms

        embedder = get_embedder()
        for one in {embedder, get_search_embedder()}:
            one.embed_queries(["warm up"])
        FaissCpuIndex.create(embedder.dimension)
        query_terms("warm up")
        if READER in installed_tiers():
            from specialists.reader.serving import ReaderPassage, read
            from specialists.reranker.serving import get_reranker

            read("warm up", [ReaderPassage(1, "warm up")])
            get_reranker()
        language_model = get_language_model()
        if language_model is not None:
            language_model.warm_up()
    except (RetrievalError, SpecialistError) as error:
        logger.warning("The models are not ready: %s", error.public_message)
