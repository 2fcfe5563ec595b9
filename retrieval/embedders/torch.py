"""The embedder for graphics processors: sentence-transformers on local files."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from django.conf import settings

from retrieval.embedders.sources import find_source
from retrieval.errors import RetrievalError
from retrieval.passages import FloatMatrix, without_surrogates

BATCH = 64
PRECISIONS = ("auto", "fp32", "fp16")


class SentenceTransformerEmbedder:
    """Runs the original weights in torch. `device`: "cuda", "cuda:1", "cpu"; None for the best there is. `precision`: fp16 takes
    half of the memory and, on a GPU, a fraction of the time; auto is fp32, in which what is indexed already was embedded."""

    def __init__(
        self, device: str | None = None, batch_size: int = BATCH, model: Path | None = None, precision: str = "auto"
    ) -> None:  # fmt: skip
        from sentence_transformers import SentenceTransformer

        if precision not in PRECISIONS:
            message = f"EMBEDDER_PRECISION must be auto, fp32 or fp16 with the embedder for GPUs, not {precision}."
            raise RetrievalError("bad_precision", message, permanent=True)
        source = find_source(str(model) if model else settings.EMBEDDING_MODEL)
        self._model = SentenceTransformer(str(source.folder), device=device, local_files_only=True, trust_remote_code=False)
        self._model.max_seq_length = source.window
        if precision == "fp16":
            self._model.half()
        self._batch_size = batch_size
        self._source = source
        self._running = threading.Lock()  # one batch at a time on the device
        self.name = f"{source.slug}@{source.weights_sha256[:12]}:torch-{'fp16' if precision == 'fp16' else 'fp32'}"
        self.dimension = int(self._model.get_embedding_dimension() or 0)
        self.max_tokens = source.window - self._model.tokenizer.num_special_tokens_to_add()

    def embed_queries(self, texts: Sequence[str]) -> FloatMatrix:
        """(len(texts), dimension) float32 rows of length 1."""
        return self._embed(texts, self._source.query_prompt)

    def embed_passages(self, texts: Sequence[str]) -> FloatMatrix:
        """(len(texts), dimension) float32 rows of length 1."""
        return self._embed(texts, self._source.passage_prompt)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each whole text, special tokens not counted."""
        if not texts:
            return []
        cleaned = [without_surrogates(text) for text in texts]
        encoded = self._model.tokenizer(cleaned, add_special_tokens=False, truncation=False, verbose=False)
        return [len(ids) for ids in encoded["input_ids"]]

    def _embed(self, texts: Sequence[str], prompt: str) -> FloatMatrix:
        if not texts:
            return np.empty((0, self.dimension), np.float32)
        cleaned = [prompt + without_surrogates(text) for text in texts]
        with self._running:
            encoded = self._model.encode(
                cleaned, prompt="", batch_size=self._batch_size, normalize_embeddings=True, show_progress_bar=False
            )
        vectors = np.asarray(encoded, np.float32)
        lengths: FloatMatrix = np.linalg.norm(vectors, axis=1, keepdims=True)  # 1 to three digits only, in fp16
        return vectors / lengths
