"""The encoder that a small specialist starts from: its files, its sha256 and its tokenizer."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from retrieval.embedders.sources import PACKAGED_MODEL, find_source
from retrieval.errors import RetrievalError
from retrieval.files import sha256_of
from specialists.errors import SpecialistError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

DEFAULT_BASE = PACKAGED_MODEL
MAX_TOKENS = 512  # positions of a BERT-like encoder


@dataclass(frozen=True, slots=True)
class BaseEncoder:
    """A BERT-like encoder on disk. `name` is what its specialists' cards say; the two sums are what they are checked by."""

    name: str
    folder: Path
    weights_sha256: str
    tokenizer_sha256: str
    hidden_size: int
    layers: int
    heads: int


def find_base(name: str = DEFAULT_BASE) -> BaseEncoder:
    """Read an encoder's configuration. `name` is the packaged model's name or a folder's path.

    Raises SpecialistError `base_unknown` or `base_unsupported`."""
    try:
        source = find_source(name)
    except RetrievalError as error:
        message = f"The base model {name} cannot be used. Give the folder of a BERT-like encoder, or {DEFAULT_BASE}."
        raise SpecialistError("base_unknown", message, permanent=True) from error
    config = json.loads((source.folder / "config.json").read_text(encoding="utf-8"))
    if config.get("model_type") != "bert":
        message = f"The base model {name} is of the family {config.get('model_type')}; specialists are made from BERT encoders."
        raise SpecialistError("base_unsupported", message, permanent=True)
    return BaseEncoder(
        name=name,
        folder=source.folder,
        weights_sha256=source.weights_sha256,
        tokenizer_sha256=sha256_of(source.folder / "tokenizer.json"),
        hidden_size=int(config["hidden_size"]),
        layers=int(config["num_hidden_layers"]),
        heads=int(config["num_attention_heads"]),
    )


def load_tokenizer(base: BaseEncoder) -> Tokenizer:
    """The base's tokenizer, without truncation, padding or special tokens: windows are laid out by the specialists."""
    return _load_tokenizer(base.folder / "tokenizer.json")


@lru_cache(maxsize=4)
def _load_tokenizer(path: Path) -> Tokenizer:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer
