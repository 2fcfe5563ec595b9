"""Pairs that say nearly the same as another: the first stays. By the shared word trigrams (Jaccard), found exactly through the
rarest of them (prefix filtering, Chaudhuri et al. 2006), so that no pair is compared with all others."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence

from specialists.finetuning.pairs import Pair

SAME_SHARE = 0.7  # of the trigrams of both
GRAM = 3
NEARLY_SAME = "it is nearly the same as another"

Grams = frozenset[tuple[str, ...]]


def without_near_duplicates(pairs: Sequence[Pair]) -> list[Pair]:
    """Pairs that differ in a number are never the same: tables and codes differ in nothing else."""
    grams = [_grams(pair) for pair in pairs]
    frequency = Counter(gram for items in grams for gram in items)
    holders: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)
    kept = []
    for place, items in enumerate(grams):
        rare = sorted(items, key=lambda gram: (frequency[gram], gram))
        prefix = rare[: len(rare) - math.ceil(SAME_SHARE * len(rare)) + 1]
        candidates = {other for gram in prefix for other in holders[gram]}
        if any(_is_same(items, grams[other]) and _numbers(pairs[place]) == _numbers(pairs[other]) for other in candidates):
            continue
        kept.append(pairs[place])
        for gram in prefix:
            holders[gram].append(place)
    return kept


def _is_same(one: Grams, other: Grams) -> bool:
    return len(one & other) >= SAME_SHARE * len(one | other)


def _grams(pair: Pair) -> Grams:
    words = re.findall(r"\w+", f"{pair.question} {pair.answer}".lower())
    return frozenset(tuple(words[at : at + GRAM]) for at in range(max(1, len(words) - GRAM + 1)))


def _numbers(pair: Pair) -> frozenset[str]:
    return frozenset(word for word in re.findall(r"[\w-]+", f"{pair.question} {pair.answer}".lower()) if re.search(r"\d", word))
