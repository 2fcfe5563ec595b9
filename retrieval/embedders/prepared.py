"""A prepared model on disk: model.onnx, tokenizer.json and a manifest with their sha256, written last."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from retrieval.errors import RetrievalError
from retrieval.files import sha256_of

MANIFEST = "manifest.json"
PREPARED = "onnx"  # within a sentence-transformers folder that has a build of its own
FILES = ("model.onnx", "tokenizer.json")
LAYOUT = 2  # raise it when the exported graph changes, so that old folders are prepared anew
Precision = Literal["auto", "int8", "fp32"]


@dataclass(frozen=True, slots=True)
class PreparedModel:
    """What a manifest says. `agreement` is the mean cosine of its vectors to those of the original model in torch."""

    layout: int
    name: str
    source_sha256: str
    wanted: str
    precision: str
    agreement: float
    dimension: int
    window: int
    query_prompt: str
    passage_prompt: str
    sha256: dict[str, str]

    def write(self, folder: Path) -> None:
        (folder / MANIFEST).write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")


def read_prepared(folder: Path) -> PreparedModel:
    """The manifest of a prepared folder, after every file was compared with its sha256.

    Raises RetrievalError `embedder_not_prepared` (nothing there) or `embedder_corrupt` (damaged)."""
    try:
        prepared = PreparedModel(**json.loads((folder / MANIFEST).read_text(encoding="utf-8")))
    except FileNotFoundError:
        message = "The embedding model is not prepared. An administrator must run manage.py prepare_models."
        raise RetrievalError("embedder_not_prepared", message, permanent=True) from None
    except (ValueError, TypeError):
        raise _corrupt() from None
    if prepared.layout != LAYOUT:
        message = "The embedding model was prepared for another version. An administrator must run manage.py prepare_models."
        raise RetrievalError("embedder_not_prepared", message, permanent=True)
    if set(prepared.sha256) != set(FILES):
        raise _corrupt()
    for name, digest in prepared.sha256.items():
        if not (folder / name).is_file() or sha256_of(folder / name) != digest:
            raise _corrupt()
    return prepared


def _corrupt() -> RetrievalError:
    message = "The embedding model's files are damaged. An administrator must run manage.py prepare_models."
    return RetrievalError("embedder_corrupt", message, permanent=True)
