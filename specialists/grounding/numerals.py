"""Numbers in digits and in words."""

from __future__ import annotations

import re

from specialists.grounding.words import word_list

_SMALL = word_list(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen "
    "nineteen"
)
_TENS = word_list("twenty thirty forty fifty sixty seventy eighty ninety")
_VALUES = {word: value for value, word in enumerate(_SMALL)} | {word: 10 * value for value, word in enumerate(_TENS, start=2)}
_SCALE_VALUES = {"hundred": 100, "thousand": 1_000, "million": 1_000_000, "billion": 1_000_000_000}
_WORD = "|".join(sorted([*_VALUES, *_SCALE_VALUES], key=len, reverse=True))
SPELLED = rf"(?:{_WORD})(?:(?:[ -]|[ ]and[ ])(?:{_WORD}))*"
NUMBER = re.compile(
    r"(?<![\w.])(?P<sign>[$€£¥])?\s?(?:"
    r"(?P<digits>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d{1,3}(?:[ ']\d{3})+(?![\d])|\d+(?:[.,]\d+)*)"
    rf"|(?P<spelled>{SPELLED}|an?(?=[ -](?:second|minute|hour|day|week|fortnight|month|quarter|year|dozen)\b)))"
    r"(?:st|nd|rd|th|s)?(?=$|\W|[a-z]{1,3}(?!\w))",  # "5km" is a number, "3rd-party" and "1990s" too, "7zip" is not
    re.IGNORECASE,
)


def spelled_value(text: str) -> float:
    """ "two hundred and fifty" → 250."""
    total, part = 0.0, 0.0
    for word in re.findall(r"[a-z]+", text.lower()):
        if word in ("and",):
            continue
        if word in ("a", "an"):
            part = 1
        elif word == "hundred":
            part = max(part, 1) * 100
        elif word in _SCALE_VALUES:
            total += max(part, 1) * _SCALE_VALUES[word]
            part = 0
        else:
            part += _VALUES[word]
    return total + part


def in_words(value: int) -> str:
    """25 → "twenty-five"; up to 999."""
    if value < 20:
        return _SMALL[value]
    if value < 100:
        tens = _TENS[value // 10 - 2]
        return f"{tens}-{_SMALL[value % 10]}" if value % 10 else tens
    rest = value % 100
    return f"{_SMALL[value // 100]} hundred" + (f" and {in_words(rest)}" if rest else "")
