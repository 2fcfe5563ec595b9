"""Pairs of texts as rows of tokens: what was tokenized once, together with others, is not tokenized again."""

from __future__ import annotations

from typing import Any

import pytest

from specialists.encoders.base import find_base, load_tokenizer
from specialists.encoders.pairs import PairEncoder

TEXTS = ["Who approves?", "The director approves.", "Rebates are paid in February.", ""]


class Counting:
    """A tokenizer that counts the texts that it is given one by one."""

    def __init__(self) -> None:
        self.tokenizer: Any = load_tokenizer(find_base())
        self.alone: list[str] = []

    def encode(self, text: str, **options: Any) -> Any:
        self.alone.append(text)
        return self.tokenizer.encode(text, **options)

    def encode_batch(self, texts: list[str], **options: Any) -> Any:
        return self.tokenizer.encode_batch(texts, **options)

    def token_to_id(self, token: str) -> Any:
        return self.tokenizer.token_to_id(token)


@pytest.mark.parametrize("cache", [1, 512])
def test_it_reads_remembered_texts_as_others_without_the_tokenizer(cache: int) -> None:
    plain, counting = PairEncoder(load_tokenizer(find_base())), Counting()
    pairs = PairEncoder(counting, cache=cache)  # type: ignore[arg-type]
    pairs.remember([*TEXTS, TEXTS[0]])
    for second in TEXTS[1:]:
        assert pairs.windows(TEXTS[0], second) == plain.windows(TEXTS[0], second)
    assert counting.alone == []
    assert pairs.windows(TEXTS[0], "Another text.") == plain.windows(TEXTS[0], "Another text.")
    assert counting.alone == ["Another text."]
