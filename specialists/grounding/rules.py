"""The rules of the groundedness check: what a sentence says with figures, dates, names, codes and quotation marks must stand in
the passages that it cites, and it may not turn round what they say. No model; a fault is meant to be one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from specialists.grounding.alignment import agree, find_changes, is_verbatim
from specialists.grounding.facts import Date, Facts, Quantity, facts_of
from specialists.grounding.words import STOP_WORDS, clauses, containment, content, plain, stem, words

LEAST_CONTAINMENT = 0.3
COUNTED = 3.0  # up to here a writer counts what a passage lists
SHORTEST_CHECKED = 3  # content words that a sentence needs for its words to be looked for
_PREFIX = 4  # letters that "France" shares with "French"


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, and the sentence about it that a person reads."""

    kind: str
    reason: str


@dataclass(frozen=True, slots=True)
class Ruling:
    """`is_verbatim`: whole sentences of the passage, word for word, so that nothing else need be asked."""

    faults: tuple[Fault, ...]
    is_verbatim: bool
    containment: float

    def standing(self, *, has_head: bool) -> tuple[Fault, ...]:
        """The faults that count. That hardly any word is in the passage is no fault of a sentence in words of its own: where
        there is a head, it decides."""
        return tuple(fault for fault in self.faults if fault.kind != "words") if has_head else self.faults


def judge(claim: str, passages: Sequence[str]) -> Ruling:
    """What the rules say of a sentence and the passages that it cites together."""
    share = max((containment(claim, passage) for passage in (*passages, "\n".join(passages))), default=0.0)
    if is_verbatim(claim, passages):
        return Ruling((), is_verbatim=True, containment=share)
    return Ruling(tuple(_faults(claim, tuple(passages))), is_verbatim=False, containment=share)


def states_something(claim: str) -> bool:
    """Whether there is anything to check: not in a question, and not in "Here is what I found:"."""
    claim = claim.strip()
    if not claim or claim.endswith("?"):
        return False
    found = facts_of(claim)
    has_facts = any((found.quantities, found.dates, found.times, found.codes, found.quotations))
    return has_facts or (len(content(claim)) >= SHORTEST_CHECKED and not claim.endswith(":"))


def _faults(claim: str, passages: tuple[str, ...]) -> Iterator[Fault]:
    text = "\n".join(passages)
    said, there = facts_of(_without_marker(claim)), facts_of(text)
    yield from _quotation_faults(said, text)
    yield from _date_faults(said, there)
    yield from _number_faults(said, there, text)
    yield from _code_faults(said, text)
    yield from _name_faults(said, text)
    for clause in clauses(claim):
        for change in find_changes(clause, passages):
            yield _CHANGES[change.kind](change.said, change.found)
        share = containment(clause, text)
        if share < LEAST_CONTAINMENT and len(content(clause)) >= SHORTEST_CHECKED:
            part = "its words" if clause == claim else f"the words of “{clause}”"
            yield Fault("words", f"Hardly any of {part} are in the cited passage.")


def _without_marker(claim: str) -> str:
    """Without the number that a list gives the sentence."""
    return re.sub(r"^\s*\(?\d{1,2}[.)]\s+", "", claim)


_CHANGES: dict[str, Callable[[str, str], Fault]] = {
    "number": lambda said, found: Fault("number", f"It says “{said}” where the cited passage says “{found}”."),
    "date": lambda said, found: Fault("date", f"It says “{said}” where the cited passage says “{found}”."),
    "name": lambda said, found: Fault("name", f"It says “{said}” where the cited passage says “{found}”."),
    "opposite": lambda said, found: Fault("opposite", f"It says “{said}” where the cited passage says “{found}”."),
    "negation": lambda said, found: Fault(
        "negation", f"The cited passage says “{found}”, and it leaves that out." if len(found) > len(said)
        else f"It says “{said}”, which the cited passage does not."
    ),
}  # fmt: skip


def _quotation_faults(said: Facts, text: str) -> Iterator[Fault]:
    there = _letters(text)
    for quotation in said.quotations:
        if len(quotation.split()) > 1 and _letters(quotation) not in there:
            yield Fault("quotation", f"The words “{quotation}” are in quotation marks and not in the cited passage.")


@lru_cache(maxsize=128)
def _letters(text: str) -> str:
    return " ".join(re.findall(r"\w+", plain(text).lower()))


def _date_faults(said: Facts, there: Facts) -> Iterator[Fault]:
    for date in said.dates:
        if not any(_same_date(date, other) for other in there.dates):
            like = next((other.text for other in there.dates if other.month is not None), "")
            hint = f", which says “{like}”" if like else ""
            yield Fault("date", f"“{date.text}” is not in the cited passage{hint}.")
    minutes = {value for value, _ in there.times}
    for value, written in said.times:
        if value not in minutes and minutes:
            yield Fault("time", f"“{written}” is not in the cited passage.")
    for day in said.weekdays:
        if there.weekdays and day not in there.weekdays:
            yield Fault("date", f"“{day.capitalize()}” is not in the cited passage.")


def _same_date(one: Date, other: Date) -> bool:
    def fits(mine: int | None, theirs: int | None) -> bool:
        return mine is None or theirs is None or mine == theirs

    days = [(one.month, one.day), *([one.alternative] if one.alternative else [])]
    others = [(other.month, other.day), *([other.alternative] if other.alternative else [])]
    return fits(one.year, other.year) and any(fits(m, n) and fits(d, e) for m, d in days for n, e in others)


def _number_faults(said: Facts, there: Facts, text: str) -> Iterator[Fault]:
    for number in said.quantities:
        alike = [other for other in there.quantities if number.readings & other.readings]
        if number.text.lower().startswith(("a ", "an ")) or any(agree(number, other) for other in there.quantities):
            continue
        if alike and number.unit:
            if all(other.unit for other in alike):
                yield Fault("unit", f"It says “{number.text}” where the cited passage says “{alike[0].text}”.")
        elif not alike and not _is_written(number, text) and not _may_be_counted(number):
            hint = _same_unit(number, there)
            yield Fault("number", f"“{number.text}” is not in the cited passage{hint}.")


def _same_unit(number: Quantity, there: Facts) -> str:
    alike = [other.text for other in there.quantities if number.unit and other.unit == number.unit]
    return f", which says “{alike[0]}”" if alike else ""


def _may_be_counted(number: Quantity) -> bool:
    return number.unit is None and max(number.readings) <= COUNTED and number.readings != frozenset({0.0})


def _is_written(number: Quantity, text: str) -> bool:
    """Whether the figure stands anywhere, even inside a date, a code or a longer expression."""
    figures = {format(value, "f").rstrip("0").rstrip(".") for value in number.readings}
    there = re.sub(r"(?<=\d)[, ](?=\d{3}\b)", "", plain(text))
    return any(re.search(rf"(?<![\d.]){re.escape(figure)}(?!\.?\d)", there) for figure in figures)


def _code_faults(said: Facts, text: str) -> Iterator[Fault]:
    there = _joined(text)
    for code in said.codes:
        if _joined(code) not in there:
            yield Fault("code", f"“{code}” is not in the cited passage.")


@lru_cache(maxsize=128)
def _joined(text: str) -> str:
    return re.sub(r"[\s\-_]+", "", plain(text).lower())


def _name_faults(said: Facts, text: str) -> Iterator[Fault]:
    there = _vocabulary(text)
    for name in said.names:
        for part in name.parts:
            if not _is_named(part, there, text):
                yield Fault("name", f"“{name.text}” is not in the cited passage.")
                break


@lru_cache(maxsize=128)
def _vocabulary(text: str) -> frozenset[str]:
    """Stems of the text's words, of the parts of hyphenated ones, and short beginnings of names."""
    found = set()
    for word in words(text):
        found.add(word.stem)
        found |= {stem(part) for part in re.split(r"[-'.,_/&@]", word.text) if part}
        if word.is_capitalised and len(word.text) > _PREFIX:
            found.add("^" + word.text[:_PREFIX].lower())
    return frozenset(found)


def _is_named(part: str, there: frozenset[str], text: str) -> bool:
    stems = {stem(piece) for piece in re.split(r"[-'.,_/&@]", part) if piece[:1].isupper()}
    if stem(part) in there or stems <= there or "^" + part[:_PREFIX].lower() in there:
        return True
    if part.isupper() and len(part) > 1:
        return part.lower() in _initials(text)
    return part.lower() in STOP_WORDS or any(part.lower() in word for word in there if len(part) > _PREFIX)


@lru_cache(maxsize=128)
def _initials(text: str) -> str:
    """First letters of all words in order: "European Union" gives EU."""
    return "".join(word.text[0].lower() for word in words(text) if word.text.lower() not in ("of", "the", "and", "for"))
