"""How a claim and a passage are laid out for the head: the same at training and at serving."""

from __future__ import annotations

from specialists.encoders.pairs import FIRST_TOKENS, PairEncoder, Window
from specialists.grounding.words import clauses, containment

TOKEN_HEADS: dict[str, int] = {}
PAIR_HEADS = {"support": 1}
PIECE_WORDS = 32  # of a claim that has more tokens than the first text of a pair may have


def fits(pairs: PairEncoder, claim: str) -> bool:
    return len(pairs.tokenizer.encode(claim, add_special_tokens=False).ids) <= FIRST_TOKENS


def nearest_window(pairs: PairEncoder, claim: str, passage: str) -> Window:
    """Of a long passage, the window that has most of the claim's words."""
    windows = pairs.windows(claim, passage)
    if len(windows) == 1:
        return windows[0]
    return max(windows, key=lambda window: containment(claim, passage[window.offsets[0][0] : window.offsets[-1][1]]))


def pieces(pairs: PairEncoder, claim: str) -> list[str]:
    """The claim, or, when it is too long for a pair, its clauses and parts: all of them must be supported."""
    if fits(pairs, claim):
        return [claim]
    found = []
    for clause in clauses(claim):
        words = clause.split()
        found += [" ".join(words[start : start + PIECE_WORDS]) for start in range(0, len(words), PIECE_WORDS)]
    return found
