"""Two texts as one row of tokens: [CLS] first [SEP] context: second [SEP], with windows over a long second text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

IntArray = NDArray[np.int64]
FIRST_TOKENS = 64
CONTEXT_TOKENS = 24


@dataclass(frozen=True, slots=True)
class Window:
    """One row of tokens. `text_start` is where the second text's tokens begin; `offsets` are their characters."""

    ids: tuple[int, ...]
    types_start: int  # tokens before it have type 0, the others type 1
    text_start: int
    offsets: tuple[tuple[int, int], ...]  # per token of the second text: its characters in the whole second text

    @property
    def text_end(self) -> int:
        return self.text_start + len(self.offsets)


@dataclass(frozen=True, slots=True)
class Tokens:
    ids: tuple[int, ...]
    offsets: tuple[tuple[int, int], ...]


class PairEncoder:
    """Lays out pairs of texts for a BERT encoder. window: tokens per row; stride: tokens that neighbours share."""

    def __init__(self, tokenizer: Tokenizer, *, window: int = 256, stride: int = 64, cache: int = 512) -> None:
        self.tokenizer = tokenizer
        self.window = window
        self.stride = stride
        self._cls = int(tokenizer.token_to_id("[CLS]") or 0)
        self._sep = int(tokenizer.token_to_id("[SEP]") or 0)
        self._cached = lru_cache(maxsize=cache)(self._tokenize)
        self._remembered: dict[str, Tokens] = {}

    def remember(self, texts: Iterable[str]) -> None:
        """Tokenize many texts at once, on all cores, and keep them beside the cache."""
        wanted = list(dict.fromkeys(texts))
        encodings = self.tokenizer.encode_batch(wanted, add_special_tokens=False)
        self._remembered |= zip(wanted, map(_as_tokens, encodings), strict=True)

    def _tokens(self, text: str) -> Tokens:
        return self._remembered.get(text) or self._cached(text)

    def _tokenize(self, text: str) -> Tokens:
        return _as_tokens(self.tokenizer.encode(text, add_special_tokens=False))

    def first_offsets(self, first: str) -> tuple[tuple[int, int], ...]:
        """The characters of the first text's tokens, which are at the positions 1, 2, … of each of its rows."""
        return self._tokens(first).offsets[:FIRST_TOKENS]

    def windows(self, first: str, second: str, context: str = "") -> list[Window]:
        """All the windows of a pair, in order; one when the second text fits. An empty second text has one window."""
        asked = self._tokens(first).ids[:FIRST_TOKENS]
        before = self._tokens(f"{context} : ").ids[-CONTEXT_TOKENS:] if context else ()
        head = (self._cls, *asked, self._sep, *before)
        tokens = self._tokens(second)
        room = max(16, self.window - len(head) - 1)
        step = max(1, room - self.stride)
        windows = []
        for start in range(0, max(1, len(tokens.ids)), step):
            end = min(len(tokens.ids), start + room)
            ids = (*head, *tokens.ids[start:end], self._sep)
            windows.append(Window(ids, len(asked) + 2, len(head), tokens.offsets[start:end]))
            if end == len(tokens.ids):
                break
        return windows


def _as_tokens(encoding: Encoding) -> Tokens:
    return Tokens(tuple(encoding.ids), tuple(encoding.offsets))


def stack(windows: Sequence[Window]) -> tuple[IntArray, IntArray, IntArray]:
    """input_ids, attention_mask, token_type_ids: (windows, longest) each, padded with zeros."""
    longest = max(len(window.ids) for window in windows)
    ids = np.zeros((len(windows), longest), np.int64)
    mask, types = np.zeros_like(ids), np.zeros_like(ids)
    for row, window in enumerate(windows):
        size = len(window.ids)
        ids[row, :size] = window.ids
        mask[row, :size] = 1
        types[row, window.types_start : size] = 1
    return ids, mask, types
