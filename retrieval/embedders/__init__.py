"""The embedder seam: texts in, unit vectors out. Backends are chosen in settings.EMBEDDER, as Django chooses a cache."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Protocol, cast

from django.conf import settings
from django.utils.module_loading import import_string

from retrieval.passages import FloatMatrix

_Key = tuple[str, tuple[tuple[str, Any], ...], str, str]
_building = threading.Lock()
_loaded: set[_Key] = set()


class Embedder(Protocol):
    """Turns texts into vectors whose inner product is their cosine. Thread-safe; the same text gives the same vector."""

    name: str  # model, revision (the beginning of the weights' sha256) and precision; an index remembers it
    dimension: int
    max_tokens: int  # tokens of a text that are embedded, the model's special tokens not counted; the rest is cut off

    def embed_queries(self, texts: Sequence[str]) -> FloatMatrix:
        """(len(texts), dimension) float32 rows of length 1, with the model's prefix for questions if it has one."""
        ...

    def embed_passages(self, texts: Sequence[str]) -> FloatMatrix:
        """(len(texts), dimension) float32 rows of length 1, with the model's prefix for passages if it has one."""
        ...

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each whole text, special tokens not counted, nothing cut off."""
        ...


def get_embedder() -> Embedder:
    """The configured embedder, loaded once per process.

    Raises RetrievalError `embedder_not_prepared` or `embedder_corrupt` when its files are missing or damaged."""
    return _load({})


def load_embedder(model: Path) -> Embedder:
    """Another model in the configured backend, loaded once per process. `model`: a sentence-transformers folder, with what
    prepare_model makes of it for processors in its folder "onnx". Raises as get_embedder does."""
    return _load({"model": model})


def is_loaded(model: Path | None = None) -> bool:
    """Whether this process has the configured embedder, or load_embedder's of this folder. Loads nothing."""
    return _key({"model": model} if model else {}) in _loaded


def _load(more: dict[str, Any]) -> Embedder:
    key = _key(more)
    with _building:  # `cache` alone would let two threads load the model twice
        embedder = _build(*key)
    _loaded.add(key)
    return embedder


def _key(more: dict[str, Any]) -> _Key:
    configured = cast("dict[str, Any]", settings.EMBEDDER)
    options = tuple(sorted({**configured["OPTIONS"], **more}.items()))
    return configured["BACKEND"], options, settings.EMBEDDING_MODEL, str(settings.MODELS_DIR)


@cache
def _build(backend: str, options: tuple[tuple[str, Any], ...], _model: str, _models_dir: str) -> Embedder:
    embedder: Embedder = import_string(backend)(**dict(options))
    return embedder
