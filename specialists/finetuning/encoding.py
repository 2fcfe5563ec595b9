"""Rows as tokens, and the order in which they are learnt: it depends on the seed alone."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from specialists.errors import SpecialistError
from specialists.finetuning.recipe import FinetuneRecipe
from specialists.finetuning.rows import Row, render_row
from specialists.language_models.types import Message

MOST_COMPLETION = 256  # tokens


@dataclass(frozen=True, slots=True)
class EncodedRow:
    """`tokens`: prompt and completion; only the last `learnt` of them are learnt. `rejected`: the same prompt with the words that
    are not to follow it, as another row; None where there are none."""

    tokens: tuple[int, ...]
    learnt: int
    rejected: EncodedRow | None = None


class Encoder(Protocol):
    """Chat, or what only counts as it does."""

    def count(self, text: str) -> int: ...
    def prompt(self, messages: Sequence[Message]) -> list[int]: ...
    def completion(self, text: str) -> list[int]: ...


def encode_rows(rows: Sequence[Row], chat: Encoder, window: int) -> list[EncodedRow]:
    """As the language model gets them when people ask. What is too long for the window in spite of everything is left out; raises
    SpecialistError `window_too_small` where that is most of them."""
    encoded = []
    for row in rows:
        rendered = render_row(row, count_tokens=chat.count, window=window, most_tokens=MOST_COMPLETION)
        prompt, completion = chat.prompt(rendered.prompt.messages), chat.completion(rendered.completion)
        rejected = chat.completion(rendered.rejected)[:MOST_COMPLETION] if rendered.rejected else ()
        if len(prompt) + max(len(completion), len(rejected)) <= window:
            other = EncodedRow((*prompt, *rejected), len(rejected)) if rejected else None
            encoded.append(EncodedRow((*prompt, *completion), len(completion), other))
    if len(encoded) * 2 < len(rows):
        message = f"Most of the rows are longer than a window of {window} tokens. Take a larger window."
        raise SpecialistError("window_too_small", message, permanent=True)
    return encoded


def make_steps(rows: Sequence[EncodedRow], recipe: FinetuneRecipe) -> list[list[EncodedRow]]:
    """The rows of each step, over all epochs; the last step of an epoch may have fewer."""
    steps = []
    for epoch in range(recipe.epochs):
        order = list(rows)
        random.Random(f"{recipe.seed} {epoch}").shuffle(order)
        steps += [order[start : start + recipe.batch] for start in range(0, len(order), recipe.batch)]
    return steps


def parts_of(rows: Sequence[EncodedRow], most_tokens: int) -> Iterator[list[EncodedRow]]:
    """Rows of like length together, at most so many tokens with their padding, at least one row."""
    part: list[EncodedRow] = []
    for row in sorted(rows, key=lambda item: len(item.tokens)):
        if part and len(row.tokens) * (len(part) + 1) > most_tokens:
            yield part
            part = []
        part.append(row)
    if part:
        yield part
