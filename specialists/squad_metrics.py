"""SQuAD's measures: answers are compared after lower-casing and without punctuation, articles and extra space.

Source: Rajpurkar et al. 2016 and 2018, "SQuAD" and "Know What You Don't Know".
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalise(text: str) -> str:
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def exact_match(answer: str, golds: Sequence[str]) -> float:
    """1 when the normalised answer equals one of the golds; no golds mean that saying nothing is right."""
    return float(any(normalise(answer) == normalise(gold) for gold in golds or [""]))


def f1(answer: str, golds: Sequence[str]) -> float:
    """The best harmonic mean of token precision and recall over the golds."""
    return max(_f1(normalise(answer).split(), normalise(gold).split()) for gold in golds or [""])


def _f1(answer: list[str], gold: list[str]) -> float:
    if not answer or not gold:
        return float(answer == gold)
    shared = sum((Counter(answer) & Counter(gold)).values())
    return 2 * shared / (len(answer) + len(gold))


def holds(passage: str, golds: Sequence[str]) -> bool:
    """Whether a gold answer stands in the passage, after normalisation."""
    padded = f" {normalise(passage)} "
    return any(gold and f" {normalise(gold)} " in padded for gold in golds)
