"""How a claim and a passage are laid out for the head, and what its outputs mean: the same at training and at serving."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from specialists.encoders.pairs import FIRST_TOKENS, PairEncoder, Window
from specialists.grounding.words import clauses, containment

TOKEN_HEADS = {"unsupported": 1}  # per token of the claim: the log-odds that the passage does not support it
PAIR_HEADS: dict[str, int] = {}
PIECE_WORDS = 32  # of a claim that has more tokens than the first text of a pair may have


def fits(pairs: PairEncoder, claim: str) -> bool:
    return len(pairs.tokenizer.encode(claim, add_special_tokens=False).ids) <= FIRST_TOKENS


def nearest_window(pairs: PairEncoder, claim: str, passage: str) -> Window:
    """Of a long passage, the window that has most of the claim's words."""
    windows = pairs.windows(claim, passage)
    if len(windows) == 1:
        return windows[0]
    return max(windows, key=lambda window: containment(claim, passage[window.offsets[0][0] : window.offsets[-1][1]]))


def claim_tokens(window: Window) -> slice:
    """Where the claim's tokens are: after [CLS], before [SEP]."""
    return slice(1, window.types_start - 1)


def support(logits: NDArray[np.float32], window: Window) -> float:
    """The probability that the passage supports the claim: a claim is as good as its worst word. logits: (tokens, 1)."""
    worst = float(logits[claim_tokens(window), 0].max(initial=-50.0))
    return 1 / (1 + math.exp(max(-50.0, min(50.0, worst))))


def pieces(pairs: PairEncoder, claim: str) -> list[str]:
    """The claim, or, when it is too long for a pair, its clauses and parts: all of them must be supported."""
    if fits(pairs, claim):
        return [claim]
    found = []
    for clause in clauses(claim):
        words = clause.split()
        found += [" ".join(words[start : start + PIECE_WORDS]) for start in range(0, len(words), PIECE_WORDS)]
    return found
