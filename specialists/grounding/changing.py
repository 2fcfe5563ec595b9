"""Changes that make a sentence false: each puts something in the place of what its passage says."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from specialists.grounding.facts import MONTHS, WEEKDAYS, Quantity, facts_of
from specialists.grounding.numerals import in_words
from specialists.grounding.words import plain, word_set
from specialists.opposites import OPPOSITES

MODALS = word_set("must may shall can required optional mandatory voluntary compulsory recommended")
QUANTIFIERS = word_set(
    "all some none every always never usually often rarely sometimes most few many both neither everyone nobody"
)
# Opposites that the rules do not know, so that a measure of rules and head has words which were not written into them.
_UNKNOWN_OPPOSITES = """
encouraged|discouraged, encourage|discourage, day|night, summer|winter, mother|father, hot|cold, simple|complex, rich|poor,
ancient|modern, easy|difficult, common|rare, love|hate, early|recent, wide|narrow, deep|shallow, light|heavy, clean|dirty,
urban|rural, army|navy, land|sea, black|white, red|blue, king|queen, son|daughter, brother|sister, brothers|sisters,
sons|daughters, deny|grant, denied|granted,
gain|lose, gained|lost, attack|defend, attacked|defended, push|pull, expand|shrink, expanded|shrank,
heavily|lightly, largely|hardly, quickly|slowly, strongly|weakly, frequently|seldom, majority|minority, victory|defeat, war|peace,
teacher|student, teachers|students, doctor|patient, doctors|patients, cause|prevent, causes|prevents, caused|prevented,
known|unknown, popular|unpopular, successful|unsuccessful, friend|enemy, borrow|lend, refuse|accept, refused|accepted, save|waste,
optional|necessary, hire|dismiss, hired|dismissed, employed|unemployed, encrypted|unencrypted, authorized|unauthorized,
online|offline
"""
UNKNOWN_OPPOSITES: dict[str, tuple[str, ...]] = {}
for _pair in _UNKNOWN_OPPOSITES.replace("\n", " ").split(","):
    _left, _right = _pair.strip().split("|")
    UNKNOWN_OPPOSITES.setdefault(_left, (_right,))
    UNKNOWN_OPPOSITES.setdefault(_right, (_left,))
_HARMLESS = word_set("up down left first no")  # "set up" has no opposite
_UNITS = (
    "days weeks months years hours minutes", "day week month year hour minute", "percent dollars euros pounds",
    "kilometres metres miles feet", "kg grams tonnes", "GB MB TB",
)  # fmt: skip
_AUXILIARY = re.compile(
    r"\b(is|are|was|were|can|will|must|should|may|could|would|has|have|had)(?= [a-z])(?! (?:not|been not|to)\b)"
)
_LIST_JOINT = re.compile(r"^[\s,]*(?:and|or|&|,)?[\s,]*$")


@dataclass(frozen=True, slots=True)
class Material:
    """What a claim's passage and its document offer as replacements."""

    passage: str
    document: str


Change = Callable[[str, Material, random.Random], str | None]


def change_number(claim: str, material: Material, chooser: random.Random) -> str | None:
    """To another number of the passage, as often as there is one, or to a near one."""
    found = [item for item in facts_of(claim).quantities if not claim[item.start : item.end].lower().startswith("a")]
    if not found:
        return None
    item = chooser.choice(found)
    written = claim[item.start : item.end]
    if any(char in written for char in "$€£") or not (written.replace(",", "").replace(".", "").isdigit() or item.is_spelled):
        return _change_figures(claim, item, chooser)
    others = [
        other
        for other in facts_of(material.passage).quantities
        if not other.readings & item.readings and len(other.readings) == 1
    ]
    taken = chooser.choice(others) if others and chooser.random() < 0.5 else None
    new = max(taken.readings) if taken else _near(max(item.readings), chooser)
    return claim[: item.start] + _write(new, item, written) + claim[item.end :]


def _near(value: float, chooser: random.Random) -> float:
    if value == int(value) and 1000 <= value <= 2100:
        return value + chooser.choice([-30, -10, -4, -3, -2, -1, 1, 2, 3, 4, 10, 20])
    if value == int(value):
        steps = [1, 2, 3, 5, 10, value, 2 * value, *([value * 9] if value else [])]
        up = chooser.choice(steps)
        return value + up if chooser.random() < 0.6 or value - up <= 0 else value - up
    return round(value * chooser.choice([0.5, 1.1, 1.5, 2, 10]) + 0.1, 2)


def _write(value: float, item: Quantity, written: str) -> str:
    if value != int(value):
        return f"{value:g}"
    if item.is_spelled and 0 < value <= 100:
        return in_words(int(value))
    return f"{int(value):,}" if "," in written or value >= 10_000 else str(int(value))


def _change_figures(claim: str, item: Quantity, chooser: random.Random) -> str | None:
    """One figure of an expression such as "$3.5 million"."""
    places = [index for index in range(item.start, item.end) if claim[index].isdigit()]
    if not places:
        return None
    place = chooser.choice(places)
    new = chooser.choice([figure for figure in "123456789" if figure != claim[place]])
    return claim[:place] + new + claim[place + 1 :]


def change_date(claim: str, material: Material, chooser: random.Random) -> str | None:
    """Another date of the passage, or another month, weekday or year."""
    dates = [item for item in facts_of(claim).dates if item.month]
    days = re.findall(r"\b(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day\b", claim)
    if days and (not dates or chooser.random() < 0.5):
        old = chooser.choice(days)
        return claim.replace(old, chooser.choice([day for day in sorted(WEEKDAYS) if day != old.lower()]).capitalize(), 1)
    if not dates:
        return None
    date = chooser.choice(dates)
    others = [
        item.text
        for item in facts_of(material.passage).dates
        if (item.month, item.day, item.year) != (date.month, date.day, date.year)
    ]
    others = [
        text for text in others if text.count(" ") == date.text.count(" ") and date.text not in text and text not in date.text
    ]
    if others and chooser.random() < 0.5:
        return claim[: date.start] + chooser.choice(others) + claim[date.end :]
    month = re.search(r"[A-Za-z]{3,}", date.text)
    if month is None or month.group().lower() == "of":
        return None
    new = chooser.choice([name for index, name in enumerate(MONTHS, start=1) if index != date.month]).capitalize()
    return claim[: date.start] + date.text.replace(month.group(), new, 1) + claim[date.end :]


def change_unit(claim: str, material: Material, chooser: random.Random) -> str | None:
    for group in chooser.sample(_UNITS, len(_UNITS)):
        units = group.split()
        found = re.search(rf"(?<=[\dA-Za-z][ -])({'|'.join(units)})\b", claim)
        if found and re.search(
            r"(?:\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|twelve|twenty|thirty|sixty|ninety))[ -]$",
            claim[: found.start()],
        ):
            return (
                claim[: found.start()] + chooser.choice([unit for unit in units if unit != found.group()]) + claim[found.end() :]
            )
    return None


def change_name(claim: str, material: Material, chooser: random.Random) -> str | None:
    """Another name of the passage, else of the document."""
    mine = facts_of(claim).names
    if not mine:
        return None
    own = chooser.choice(mine)
    for text in (material.passage, material.document) if chooser.random() < 0.7 else (material.document, material.passage):
        others = {
            name.text for name in facts_of(text).names if not set(name.parts) & {part for item in mine for part in item.parts}
        }
        others = {
            text for text in others if text.lower() not in claim.lower() and abs(text.count(" ") - own.text.count(" ")) <= 1
        }
        if others:
            return claim[: own.start] + chooser.choice(sorted(others)) + claim[own.start + len(own.text) :]
    return None


def swap_roles(claim: str, material: Material, chooser: random.Random) -> str | None:
    """Two names change places; not those of a list, where their order says nothing."""
    names = facts_of(claim).names
    pairs = [
        (first, second) for place, first in enumerate(names) for second in names[place + 1 :]
        if first.text != second.text and not _LIST_JOINT.match(claim[first.start + len(first.text) : second.start])
        and not set(first.parts) & set(second.parts)
    ]  # fmt: skip
    if not pairs:
        return None
    first, second = chooser.choice(pairs)
    between = claim[first.start + len(first.text) : second.start]
    return claim[: first.start] + second.text + between + first.text + claim[second.start + len(second.text) :]


def _opposite(table: dict[str, tuple[str, ...]], allowed: Callable[[str], bool]) -> Change:
    def change(claim: str, material: Material, chooser: random.Random) -> str | None:
        places = [
            found
            for found in re.finditer(r"[A-Za-z]+", claim)
            if found.group().lower() in table and allowed(found.group().lower())
        ]
        if not places:
            return None
        place = chooser.choice(places)
        new = chooser.choice(table[place.group().lower()])
        return claim[: place.start()] + (new.capitalize() if place.group()[0].isupper() else new) + claim[place.end() :]

    return change


def change_negation(claim: str, material: Material, chooser: random.Random) -> str | None:
    """Take a negation out, or put one in after the first auxiliary."""
    if found := re.search(r"\b(?:(do|does|did) )?not (?!only\b|just\b)|\bnever (?=[a-z])", claim):
        return claim[: found.start()] + claim[found.end() :]
    found = _AUXILIARY.search(claim)
    return claim[: found.end()] + " not" + claim[found.end() :] if found else None


CHANGING: dict[str, Change] = {
    "number": change_number, "date": change_date, "unit": change_unit, "name": change_name, "role": swap_roles,
    "negation": change_negation, "modal": _opposite(OPPOSITES, lambda word: word in MODALS),
    "quantifier": _opposite(OPPOSITES, lambda word: word in QUANTIFIERS),
    "opposite": _opposite(OPPOSITES, lambda word: word not in MODALS | QUANTIFIERS | _HARMLESS),
    "unknown_opposite": _opposite(UNKNOWN_OPPOSITES, bool),
}  # fmt: skip


def changed_spans(old: str, new: str) -> tuple[tuple[int, int], ...]:
    """The words of `new` that are not those of `old`; where words are only missing, those beside the gap."""
    before, after = list(re.finditer(r"\S+", old)), list(re.finditer(r"\S+", new))
    matcher = SequenceMatcher(None, [word.group() for word in before], [word.group() for word in after], autojunk=False)
    spans = []
    for kind, _, _, first, last in matcher.get_opcodes():
        words = after[max(0, first - 1) : first + 1] if kind == "delete" else after[first:last]
        if kind != "equal" and words:
            spans.append((words[0].start(), words[-1].end()))
    return tuple(spans)


def corrupt(claim: str, kinds: Sequence[str], material: Material, chooser: random.Random) -> tuple[str, str] | None:
    """The first of the kinds that applies: the false claim and its kind."""
    claim = plain(claim)
    for kind in kinds:
        changed = CHANGING[kind](claim, material, chooser)
        if changed and changed != claim:
            return changed, kind
    return None
