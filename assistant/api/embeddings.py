"""/v1/models and /v1/embeddings: what can be asked, and the vectors of the settings' embedder: never of one that was adapted to
documents, since what it holds near to each other could be tried out by people who may not read them."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from ninja import Router

from assistant.api.catalogue import offered_models
from assistant.api.errors import ApiError
from assistant.api.schemas import EmbeddingRequest
from ingestion.connections import release_connection
from retrieval.errors import RetrievalError

router = Router(tags=["OpenAI"])
LONGEST_TEXT = 20_000  # characters: the embedder cuts far earlier


@router.get("/models", url_name="models", response=dict[str, Any], summary="What can be named as a model")
def models(request: HttpRequest) -> dict[str, Any]:
    entries = [{**_entry(model.id), "description": model.description} for model in offered_models()]
    return {"object": "list", "data": [*entries, {**_entry(embedding_model()), "description": "Embeddings"}]}


@router.get("/models/{path:model_id}", url_name="model", response=dict[str, Any], summary="One of them")
def model(request: HttpRequest, model_id: str) -> dict[str, Any]:
    for entry in models(request)["data"]:
        if entry["id"] == model_id:
            return dict(entry)
    raise ApiError(404, "model_not_found", f"There is no model “{model_id[:80]}”.", param="model")


@router.post("/embeddings", url_name="embeddings", response=dict[str, Any], summary="Embed texts")
def embeddings(request: HttpRequest, body: EmbeddingRequest) -> dict[str, Any]:
    """Unit vectors by the embedder of this installation; of a long text, its beginning."""
    from retrieval.embedders import get_embedder

    texts = _texts(body)
    if body.model != embedding_model():
        said = f"The embedding model here is {embedding_model()}."
        raise ApiError(404, "model_not_found", said, param="model")
    release_connection()
    try:
        embedder = get_embedder()
        vectors, tokens = embedder.embed_passages(texts), sum(embedder.count_tokens(texts))
    except RetrievalError as error:
        raise ApiError(503, error.code, error.public_message) from None
    if body.dimensions not in (None, vectors.shape[1]):
        raise ApiError(400, "fixed_dimensions", f"This model has {vectors.shape[1]} dimensions.", param="dimensions")
    as_text = body.encoding_format == "base64"
    data = [
        {"object": "embedding", "index": index, "embedding": _base64(row) if as_text else row.tolist()}
        for index, row in enumerate(vectors)
    ]
    return {"object": "list", "data": data, "model": body.model, "usage": {"prompt_tokens": tokens, "total_tokens": tokens}}


def embedding_model() -> str:
    """The embedder's name: never the path of a folder on this host."""
    return Path(settings.EMBEDDING_MODEL).name


def _entry(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "intramural"}


def _texts(body: EmbeddingRequest) -> list[str]:
    texts = [body.input] if isinstance(body.input, str) else list(body.input)
    if not all(text.strip() for text in texts):
        raise ApiError(400, "bad_input", "A text is empty. Leave it out.", param="input")
    if any(len(text) > LONGEST_TEXT for text in texts):
        raise ApiError(400, "too_long", f"A text has more than {LONGEST_TEXT:,} characters. Cut it.", param="input")
    return texts


def _base64(row: Any) -> str:
    return base64.b64encode(row.astype("<f4").tobytes()).decode("ascii")
