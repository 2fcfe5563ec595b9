"""What the words of a span say, so that two spans can be compared: “twenty days” is 20 days, “March 31” is 31 March."""

from __future__ import annotations

import re
from dataclasses import dataclass

_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen "
    "nineteen"
)
_NUMERALS = {word: value for value, word in enumerate(_SMALL.split())}
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_NUMERALS |= {word: 10 * value for value, word in enumerate(_TENS.split(), start=2)}
_SCALES = {"hundred": 100, "thousand": 1_000, "million": 1_000_000, "billion": 1_000_000_000}
_MONTHS = "january february march april may june july august september october november december"
_MONTH = {name[:size]: number for number, name in enumerate(_MONTHS.split(), start=1) for size in (3, len(name))} | {"sept": 9}
_CURRENCY = {
    "eur": "€ eur euro euros", "gbp": "£ gbp pound pounds", "usd": "$ usd dollar dollars", "jpy": "¥ jpy yen", "chf": "chf",
    "%": "% percent",
}  # fmt: skip
_CURRENCY = {name: code for code, names in _CURRENCY.items() for name in names.split()}
_PASSED_OVER = frozenset({
    "a", "an", "the", "of", "about", "around", "some", "to", "up", "at", "least", "most", "only", "more", "than", "over",
    "under", "within", "in", "on", "by", "for", "from", "until", "every", "per", "and", "is",
})  # fmt: skip
_BARE = frozenset({
    "working", "calendar", "business", "consecutive", "full", "paid", "whole", "additional", "different",
})  # fmt: skip
_PIECE = re.compile(r"\d{4}-\d{2}-\d{2}|\d{1,2}\.\d{1,2}\.\d{4}|\d+(?:[.,]\d+)*|[€£$¥%]|[^\W\d_]+(?:['’][^\W\d_]+)?")
_YEAR = re.compile(r"(?:1[5-9]|20)\d\d")


@dataclass(frozen=True, slots=True)
class Value:
    """`words` are the normalised words; `numbers` (value, unit) pairs, the unit "" when it is not said; `dates` (year, month,
    day), with None for what is not said."""

    words: tuple[str, ...]
    numbers: tuple[tuple[float, str], ...]
    dates: tuple[tuple[int | None, int | None, int | None], ...]

    @property
    def kind(self) -> str:
        return "date" if self.dates else "number" if self.numbers else "words"


def read_value(span: str, after: str = "") -> Value:
    """The value of a span; `after`, what stands behind it, may name the unit of a bare number."""
    raw = [word.lower().replace("’", "'") for word in _PIECE.findall(span)]
    words = _with_numerals(raw)
    dates, rest = _dates(words)
    following = _with_numerals([word.lower() for word in _PIECE.findall(after[:60])])
    numbers = _numbers(rest, following)
    kept = tuple(_CURRENCY.get(word, word) for word in words if word not in _PASSED_OVER)
    return Value(kept or tuple(words), numbers, dates)


def agree(one: Value, other: Value) -> bool:
    """Whether both say the same: equal values, or words of which one holds the other."""
    if one.kind != other.kind:
        return False
    if one.kind == "date":
        return all(any(_same_date(a, b) for b in other.dates) for a in one.dates) or all(
            any(_same_date(a, b) for a in one.dates) for b in other.dates
        )
    if one.kind == "number":
        return _is_within(one.numbers, other.numbers) or _is_within(other.numbers, one.numbers)
    short, long = sorted((one.words, other.words), key=len)
    return bool(short) and any(long[at : at + len(short)] == short for at in range(len(long) - len(short) + 1))


def differ(one: Value, other: Value) -> bool:
    """Whether both are of one kind and say different things: single amounts of the same unit, or single dates equally exact."""
    if one.kind != other.kind or one.kind == "words":
        return False
    if one.kind == "date":
        if len(one.dates) != 1 or len(other.dates) != 1:
            return False
        (a,), (b,) = one.dates, other.dates
        return a != b and [part is None for part in a] == [part is None for part in b]
    if len(one.numbers) != 1 or len(other.numbers) != 1:
        return False
    (a_value, a_unit), (b_value, b_unit) = one.numbers[0], other.numbers[0]
    return bool(a_unit) and a_unit == b_unit and a_value != b_value


def _is_within(few: tuple[tuple[float, str], ...], many: tuple[tuple[float, str], ...]) -> bool:
    return all(any(value == there and (unit == named or not unit or not named) for there, named in many) for value, unit in few)


def _same_date(one: tuple[int | None, ...], other: tuple[int | None, ...]) -> bool:
    return all(a == b or a is None or b is None for a, b in zip(one, other, strict=True))


def _with_numerals(raw: list[str]) -> list[str]:
    """The words with numbers in digits: “twenty five” and “1,200” become 25 and 1200."""
    words: list[str] = []
    value, is_open = 0, False
    for word in [*raw, ""]:
        if word in _NUMERALS or (is_open and word in _SCALES):
            scale = _SCALES.get(word)
            value = value * scale if scale else value + _NUMERALS[word]
            is_open = True
            continue
        if is_open:
            words.append(str(value))
            value, is_open = 0, False
        if word:
            words.append(_plain(word))
    return words


def _plain(word: str) -> str:
    """1,200 and 1.200 are thousands; 9.60 and 9,6 have a fraction. A genitive loses its ending."""
    if not word[:1].isdigit() or "-" in word or word.count(".") > 1:
        return word.removesuffix("'s")
    if re.fullmatch(r"\d{1,3}(?:[.,]\d{3})+", word):
        return re.sub(r"[.,]", "", word)
    head, _, tail = word.replace(",", ".").rpartition(".")
    number = f"{head.replace('.', '')}.{tail}".strip(".") if head else word
    return number.rstrip("0").rstrip(".") if "." in number else number


def _dates(words: list[str]) -> tuple[tuple[tuple[int | None, int | None, int | None], ...], list[str]]:
    """The dates among the words, and the other words."""
    dates: list[tuple[int | None, int | None, int | None]] = []
    rest: list[str] = []
    at = 0
    while at < len(words):
        word = words[at]
        if iso := re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)", word):
            dates.append((int(iso[1]), int(iso[2]), int(iso[3])))
        elif dotted := re.fullmatch(r"(\d{1,2})\.(\d{1,2})\.(\d{4})", word):
            dates.append((int(dotted[3]), int(dotted[2]), int(dotted[1])))
        elif word in _MONTH and (word != "may" or _has_number_beside(words, at)):
            day = int(rest.pop()) if rest and re.fullmatch(r"[0-3]?\d", rest[-1]) else None
            if day is None and at + 1 < len(words) and re.fullmatch(r"[0-3]?\d", words[at + 1]):
                at += 1
                day = int(words[at])
            year = int(words[at + 1]) if at + 1 < len(words) and _YEAR.fullmatch(words[at + 1]) else None
            at += year is not None
            dates.append((year, _MONTH[word], day))
        elif _YEAR.fullmatch(word) and not (rest and rest[-1] in _CURRENCY) and not _names_unit(words, at + 1):
            dates.append((int(word), None, None))
        else:
            rest.append(word)
        at += 1
    return tuple(dates), rest


def _has_number_beside(words: list[str], at: int) -> bool:
    return any(word[:1].isdigit() for word in (*words[max(at - 1, 0) : at], *words[at + 1 : at + 2]))


def _names_unit(words: list[str], at: int) -> bool:
    """Whether a thing that is counted follows, as in “2000 euros” and “1800 requests”, and not a further word."""
    return at < len(words) and (words[at] in _CURRENCY or (words[at].endswith("s") and words[at] not in _PASSED_OVER))


def _numbers(words: list[str], following: list[str]) -> tuple[tuple[float, str], ...]:
    found = []
    for at, word in enumerate(words):
        if not re.fullmatch(r"\d+(?:\.\d+)?", word):
            continue
        before = _CURRENCY.get(words[at - 1], "") if at else ""
        found.append((float(word), before or _unit([*words[at + 1 :], *following])))
    return tuple(found)


def _unit(words: list[str]) -> str:
    """The thing that is counted, in the singular: the first word that is one."""
    for word in words[:3]:
        if word in _CURRENCY:
            return _CURRENCY[word]
        if word in _PASSED_OVER or word[:1].isdigit():
            return ""
        if word not in _BARE:
            return word[:-1] if word.endswith("s") and len(word) > 3 else word
    return ""
