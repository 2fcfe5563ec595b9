"""What can be checked word by word in a sentence: numbers with their units, dates, times of day, names, codes and quotations,
each in one normal form, so that "1,000", "one thousand" and "1 000" are the same."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from specialists.grounding.numerals import NUMBER, spelled_value
from specialists.grounding.units import SCALES, UNIT, Unit, unit_of
from specialists.grounding.words import STOP_WORDS, Word, plain, stem, word_list, word_set, words

MONTHS = word_list("january february march april may june july august september october november december")
WEEKDAYS = word_set("monday tuesday wednesday thursday friday saturday sunday")
_MONTH = (
    r"(?P<month>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|"
    r"nov(?:ember)?|dec(?:ember)?)\.?"
)
_DAY = r"(?P<day>[0-3]?\d)(?:st|nd|rd|th)?"
_YEAR = r"(?P<year>[12]\d{3})"
_DATES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"\b(?P<year>[12]\d{3})-(?P<month>[01]\d)-(?P<day>[0-3]\d)\b",
        rf"\b{_DAY}(?: of)? {_MONTH}(?:,? {_YEAR})?\b",
        rf"\b{_MONTH} {_DAY}(?:,? {_YEAR})?\b(?![:.,]\d)",
        rf"\b{_MONTH},?(?: of)? {_YEAR}\b",
    )
)
_SHORT_DATE = re.compile(r"(?<![\d./])([0-3]?\d)[./]([0-3]?\d)[./]([12]\d{3})(?![\d/])")
_TIME = re.compile(
    r"(?<![\d:.])(?P<hour>[0-2]?\d)(?:[:.](?P<minute>[0-5]\d))?\s?(?P<half>[ap])\.?m\b\.?|"
    r"(?<![\d:.])(?P<hour24>[0-2]?\d):(?P<minute24>[0-5]\d)(?![\d:])",
    re.IGNORECASE,
)
_CODE = re.compile(
    r"[\w.+-]+@[\w-]+\.[\w.-]*\w|https?://\S*[\w/]|\b(?:www\.)[\w./-]*\w|"
    r"\b[A-Za-z]+[-_/]?\d+(?:[-_./]?[A-Za-z0-9]+)*|\b\d+(?:\.\d+){2,}\b"
)
_NOT_A_CODE = re.compile(
    r"^(?:mid|pre|post|non|early|late|circa|c|under|over|sub|to|and|or)[-_/]?\d|^[A-Za-z]{4,}/", re.IGNORECASE
)
_QUOTATION = re.compile(r'(?<!\w)"(?! )([^"\[\]]{3,}?)(?<! )"(?!\w)')  # with [brackets] a writer has changed the words
_ORDINARY = Path(__file__).parent / "data" / "ordinary_words.txt"
_TITLES = word_set("mr mrs ms dr prof sir st the a an i i'm i'd i'll i've")


@dataclass(frozen=True, slots=True)
class Quantity:
    """`readings` are the values that the digits may mean ("1.234"); `start` and `end` are in the plain text."""

    readings: frozenset[float]
    unit: Unit | None
    is_spelled: bool
    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Date:
    """What is said of a date; None for what is not. `alternative` is the other reading of 03/04/2026."""

    year: int | None
    month: int | None
    day: int | None
    start: int
    end: int
    text: str
    alternative: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Name:
    """A run of capitalised words inside a sentence."""

    text: str
    parts: tuple[str, ...]
    start: int


@dataclass(frozen=True, slots=True)
class Facts:
    quantities: tuple[Quantity, ...]
    dates: tuple[Date, ...]
    times: tuple[tuple[int, str], ...]  # minutes after midnight, as written
    weekdays: frozenset[str]
    names: tuple[Name, ...]
    beginnings: tuple[str, ...]  # single words that begin a sentence and are no ordinary ones: most of them are names
    codes: tuple[str, ...]
    quotations: tuple[str, ...]


@lru_cache(maxsize=512)
def facts_of(text: str) -> Facts:
    """All the facts of a text. A part of the text is one fact at most: the 17 of a date is no number."""
    text = plain(text)
    dates = list(_dates(text))
    rest = _blank(text, [(date.start, date.end) for date in dates])
    times = [(found, _minutes(found)) for found in _TIME.finditer(rest)]
    rest = _blank(rest, [found.span() for found, _ in times])
    codes = [found for found in _CODE.finditer(rest) if not _NOT_A_CODE.search(found.group())]
    rest = _blank(rest, [found.span() for found in codes])
    return Facts(
        quantities=tuple(_quantities(rest)),
        dates=tuple(dates),
        times=tuple((value, found.group().strip()) for found, value in times if value is not None),
        weekdays=frozenset(word.text.lower() for word in words(text) if word.text.lower() in WEEKDAYS),
        names=tuple(_names(text)),
        beginnings=tuple(_beginnings(text)),
        codes=tuple(found.group() for found in codes),
        quotations=tuple(_QUOTATION.findall(text)),
    )


def _blank(text: str, spans: list[tuple[int, int]]) -> str:
    for start, end in spans:
        text = text[:start] + "\x00" * (end - start) + text[end:]
    return text


def _dates(text: str) -> Iterator[Date]:
    rest = text
    for pattern in _DATES:
        found_here = [found for found in pattern.finditer(rest) if not found["month"][0].islower()]  # "you may 3 times"
        for found in found_here:
            parts = found.groupdict()
            month = _month(parts["month"])
            day = int(parts["day"]) if parts.get("day") else None
            year = int(parts["year"]) if parts.get("year") else None
            if day is None or 1 <= day <= 31:
                yield Date(year, month, day, found.start(), found.end(), found.group())
        rest = _blank(rest, [found.span() for found in found_here])
    for found in _SHORT_DATE.finditer(rest):
        first, second, year = (int(part) for part in found.groups())
        if 1 <= second <= 12 and 1 <= first <= 31:
            alternative = (first, second) if first <= 12 else None
            yield Date(year, second, first, found.start(), found.end(), found.group(), alternative)
        elif 1 <= first <= 12 and 1 <= second <= 31:
            yield Date(year, first, second, found.start(), found.end(), found.group())


def _month(text: str) -> int:
    return int(text) if text.isdigit() else next(n for n, name in enumerate(MONTHS, start=1) if name.startswith(text.lower()[:3]))


def _minutes(found: re.Match[str]) -> int | None:
    if found["hour24"] is not None:
        hour, minute = int(found["hour24"]), int(found["minute24"])
    else:
        hour, minute = int(found["hour"]), int(found["minute"] or 0)
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if found["half"].lower() == "p" else 0)
    return hour * 60 + minute if hour < 24 else None


def _quantities(text: str) -> Iterator[Quantity]:
    last = 0
    for found in NUMBER.finditer(text):
        if found.start() < last:
            continue
        spelled = found["spelled"]
        readings = frozenset({spelled_value(spelled)}) if spelled else _readings(found["digits"])
        scale, after = _scale(text, found.end())
        unit = unit_of(found["sign"] or "", text, after)
        if spelled and spelled.lower() in ("one", "a", "an") and unit is None:
            continue
        readings, last = frozenset(value * scale for value in readings), after
        start = found.start("sign") if found["sign"] else found.start("spelled" if spelled else "digits")
        yield Quantity(readings, unit, bool(spelled), start, after, _shown(text, start, after))


def _shown(text: str, start: int, end: int) -> str:
    """The number with its unit, for a sentence that a person reads."""
    found = UNIT.match(text, end)
    return text[start : found.end() if found else end].strip(" ,;-")


def _readings(digits: str) -> frozenset[float]:
    compact = re.sub(r"[\s']", "", digits)
    if re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", compact):
        return frozenset({float(compact.replace(",", ""))})
    if re.fullmatch(r"\d{1,3}(?:\.\d{3}){2,}(?:,\d+)?", compact):
        return frozenset({float(compact.replace(".", "").replace(",", "."))})
    values = {float(compact.replace(",", "."))} if compact.count(",") + compact.count(".") <= 1 else set()
    if re.fullmatch(r"[1-9]\d{0,2}\.\d{3}", compact):
        values.add(float(compact.replace(".", "")))
    return frozenset(values)


def _scale(text: str, end: int) -> tuple[float, int]:
    found = SCALES.match(text, end)
    if not found:
        return 1.0, end
    factors = {"h": 1e2, "t": 1e3, "k": 1e3, "m": 1e6, "b": 1e9}
    word = found.group(1).lower()
    return (1e12 if word.startswith("tr") else 12.0 if word.startswith("doz") else factors[word[0]]), found.end()


def _names(text: str) -> Iterator[Name]:
    """Runs of capitalised words, without the word that begins a sentence: every word is capitalised there. A text in
    capitals or in title case has no names that could be told."""
    found = words(text)
    letters = [word for word in found if word.text[0].isalpha() and word.text.lower() not in STOP_WORDS]
    if len(letters) > 3 and all(word.is_capitalised for word in letters):
        return
    run: list[str] = []
    start = 0
    for place, word in enumerate(found):
        follows = bool(run) and text[start : word.start].count(" ") == len(run)
        is_name = _is_name_word(word)
        if run and not (is_name and follows):
            yield Name(" ".join(run), tuple(run), start)
            run = []
        if is_name and (not _begins_sentence(text, place, word) or _goes_on(text, found, place)):
            start = start if run else word.start
            run.append(word.text.removesuffix("'s"))
    if run:
        yield Name(" ".join(run), tuple(run), start)


def _is_name_word(word: Word) -> bool:
    low = word.text.lower()
    return word.is_capitalised and low not in _TITLES and low not in STOP_WORDS and not any(c.isdigit() for c in word.text)


def _begins_sentence(text: str, place: int, word: Word) -> bool:
    return place == 0 or text[max(0, word.start - 4) : word.start].rstrip(' "(').endswith((".", "!", "?", ":", "|", "*", "-"))


def _goes_on(text: str, found: tuple[Word, ...], place: int) -> bool:
    """ "Alice Young" at the beginning of a sentence is a name, "Alice" may be any word."""
    word, after = found[place], found[place + 1] if place + 1 < len(found) else None
    return after is not None and _is_name_word(after) and after.start == word.start + len(word.text) + 1


def _beginnings(text: str) -> Iterator[str]:
    found = words(text)
    for place, word in enumerate(found):
        name = word.text.removesuffix("'s")
        is_alone = _is_name_word(word) and _begins_sentence(text, place, word) and not _goes_on(text, found, place)
        if is_alone and name.isalpha() and stem(name) not in _ordinary_stems():
            yield name


@lru_cache(maxsize=1)
def _ordinary_stems() -> frozenset[str]:
    """Of the words that people write in small letters."""
    return frozenset(_ORDINARY.read_text(encoding="utf-8").split())
