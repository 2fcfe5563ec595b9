"""Trains a reader: rows → mined negatives → the loop → a specialist's folder."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from specialists.encoders.base import BaseEncoder, find_base, load_tokenizer
from specialists.encoders.bundle import Card
from specialists.errors import DataError
from specialists.reader.negatives import mine_negatives
from specialists.reader.rows import Key, ReaderRow, key_of, load_rows
from specialists.training.recipe import DataFile, Run

LEAST_ROWS = 50
LEAST_ANSWER_TOKENS = 30
KIND = "reader"


def load_sources(data: Sequence[DataFile]) -> list[tuple[list[ReaderRow], float]]:
    """Raises DataError."""
    sources = [(load_rows(file.path), file.share) for file in data]
    count = sum(len(rows) for rows, _ in sources)
    if count < LEAST_ROWS:
        raise DataError(f"{count} questions are too few to train a reader. Give at least {LEAST_ROWS}; a thousand are useful.")
    return sources


def negatives_for(sources: Sequence[tuple[Sequence[ReaderRow], float]], share: float) -> dict[Key, list[str]]:
    """Wrong passages for a fixed share of the answerable questions, each from the question's own file."""
    found: dict[Key, list[str]] = {}
    for rows, _ in sources:
        chosen = [row for row in rows if row.answers and zlib.crc32("\0".join(key_of(row)).encode()) % 100 < 100 * share]
        if len(chosen) > 1:
            found |= mine_negatives(chosen)
    return found


def train_reader(run: Run) -> Card:
    """Write the reader's folder. An interrupted run goes on from its checkpoint in the output; see specialists.training.loop.

    Raises DataError, SpecialistError."""
    from specialists.reader.task import PAIR_HEADS, TOKEN_HEADS, ReaderTask
    from specialists.training.finishing import finish
    from specialists.training.loop import train
    from specialists.training.starting import load_teachers, start_network

    recipe = run.recipe
    base = find_base(recipe.base)
    sources = load_sources(run.data)
    run.say(f"{sum(len(rows) for rows, _ in sources)} questions. Looking for passages that are close and wrong …")
    task = ReaderTask(
        base, sources, negatives=negatives_for(sources, recipe.negatives), seed=recipe.seed, teachers=load_teachers(KIND, recipe),
        wrong=recipe.wrong, altered=recipe.altered,
    )  # fmt: skip
    network = start_network(KIND, base, recipe, token_heads=TOKEN_HEADS, pair_heads=PAIR_HEADS)
    progress = train(network, task, run)
    return finish(KIND, network, base, run, progress, answer_tokens=longest_answer(base, sources))


def longest_answer(base: BaseEncoder, sources: Sequence[tuple[Sequence[ReaderRow], float]]) -> int:
    """Tokens that 98 of 100 answers fit in, and no fewer than LEAST_ANSWER_TOKENS."""
    answers = [text for rows, _ in sources for row in rows for _, text in row.answers]
    encodings = load_tokenizer(base).encode_batch(answers, add_special_tokens=False)
    lengths = sorted(len(encoding.ids) for encoding in encodings)
    return max(LEAST_ANSWER_TOKENS, lengths[int(0.98 * (len(lengths) - 1))] if lengths else 0)
