"""A claim beside the sentence that it was made from: what was put in the place of what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import pairwise
from typing import Literal

from specialists.grounding.facts import WEEKDAYS, Quantity, facts_of
from specialists.grounding.words import SHORTEST_STEM, STOP_WORDS, Word, containment, plain, sentences, word_set, words
from specialists.opposites import AUXILIARIES, NEGATIONS, are_opposite

Kind = Literal["number", "date", "name", "negation", "opposite"]
LEAST_COVERAGE = 0.6  # of the claim's words that stand in the sentence, in order
LEAST_CONTAINMENT = 0.5
MOST_SENTENCES = 3
LONGEST_CHANGE = 4  # words
AS_GOOD = 0.1
# Other words for what the text names: "the Company pays" beside "Brackwell pays" is no contradiction.
_GENERIC = word_set(
    "company employee employees employer customer customers supplier client party parties department team teams manager "
    "managers board government state city university church service user users member members staff group bank office agency "
    "agreement contract"
)
_LISTING = word_set("and or & with as well both")


@dataclass(frozen=True, slots=True)
class Change:
    kind: Kind
    said: str
    found: str


@dataclass(frozen=True, slots=True)
class _Alignment:
    coverage: float
    changes: tuple[Change, ...]


def find_changes(claim: str, passages: Sequence[str]) -> tuple[Change, ...]:
    """What the claim turns round in the sentence that it is closest to; nothing when another sentence, about as close,
    agrees with it."""
    names = _names_in((claim, *passages))
    rows = {text: containment(claim, text) for passage in passages for text in sentences(passage)}
    nearest = sorted((text for text, share in rows.items() if share >= LEAST_CONTAINMENT), key=lambda text: -rows[text])
    found = [_align(claim, text, names) for text in nearest[:MOST_SENTENCES]]
    found = [alignment for alignment in found if alignment.coverage >= LEAST_COVERAGE]
    if not found:
        return ()
    best = max(found, key=lambda alignment: alignment.coverage)
    agrees = any(not item.changes and item.coverage >= best.coverage - AS_GOOD for item in found)
    return () if agrees else best.changes


@dataclass(frozen=True, slots=True)
class _Names:
    """`words` of names, and the names of several words as they are written together."""

    words: frozenset[str]
    runs: frozenset[tuple[str, ...]]

    def may_be_one(self, one: str, other: str) -> bool:
        """ "EU" and "European Union", "Liz" and "Lizzy", "Mira" and "Keller" where "Mira Keller" is named, too."""
        short, long = sorted((one, other), key=len)
        is_short_form = len(short) >= SHORTEST_STEM and long.startswith(short)
        return is_short_form or _abbreviates(one, other) or any(one in run and other in run for run in self.runs)


def _names_in(texts: Sequence[str]) -> _Names:
    """Those that begin a sentence, too, unless they stand in small letters anywhere."""
    small = {word.text for text in texts for word in words(text) if not word.is_capitalised}
    runs = frozenset(name.parts for text in texts for name in facts_of(text).names)
    first = {name for text in texts for name in facts_of(text).beginnings if name.lower() not in small}
    return _Names(frozenset(first.union(*runs)), runs)


def _align(claim: str, sentence: str, names: _Names) -> _Alignment:
    said, found = words(claim), words(sentence)
    matcher = SequenceMatcher(None, [word.stem for word in said], [word.stem for word in found], autojunk=False)
    steps = matcher.get_opcodes()
    kept = sum(step[2] - step[1] for step in steps if step[0] == "equal")
    changes: list[Change] = []
    for place, (kind, first, last, start, end) in enumerate(steps):
        if kind == "equal" or max(last - first, end - start) > LONGEST_CHANGE:
            continue
        before = steps[place - 1] if place else None
        after = steps[place + 1] if place + 1 < len(steps) else None
        if _is_anchored(before, after):
            left, right = said[first:last], found[start:end]
            next_word = said[last].text.lower() if last < len(said) else ""
            changes += _judge(claim, sentence, left, right, names, next_word)
    swapped = _swapped_names(claim, sentence)
    return _Alignment(1.0 if swapped else kept / max(1, len(said)), (*changes, *swapped))


def _swapped_names(claim: str, sentence: str) -> list[Change]:
    """ "Bob reports to Alice" where the sentence says "Alice reports to Bob"."""
    text, other = plain(claim), plain(sentence)
    mine, theirs = facts_of(claim).names, facts_of(sentence).names
    for first, second in pairwise(mine):
        between = text[first.start + len(first.text) : second.start]
        turned = f"{second.text}{between}{first.text}"
        is_list = not {word.stem for word in words(between)} - _LISTING
        if not is_list and turned in other and len(theirs) >= 2 and f"{first.text}{between}{second.text}" not in other:
            return [Change("name", f"{first.text}{between}{second.text}", turned)]
    return []


def _is_anchored(before: tuple | None, after: tuple | None) -> bool:
    """Equal words on both sides, or two of them on the one side that there is."""
    sizes = [step[2] - step[1] for step in (before, after) if step is not None]
    return bool(sizes) and (len(sizes) == 2 or sizes[0] >= 2)


def _judge(
    claim: str, sentence: str, said: Sequence[Word], found: Sequence[Word], names: _Names, next_word: str
) -> Iterator[Change]:
    left, right = " ".join(word.text for word in said), " ".join(word.text for word in found)
    if next_word != "only" and _turns_negation(said, found):
        yield Change("negation", left, right)
        return
    if not said or not found:
        return
    mine, theirs = _numbers(claim, said), _numbers(sentence, found)
    if mine and theirs:
        if not any(agree(one, other) for one in mine for other in theirs):
            yield Change("number", mine[0].text, theirs[0].text)
    elif _are_days(said) and _are_days(found):
        yield Change("date", left, right)
    elif len(said) == len(found) and (pair := _opposite(said, found)):
        yield Change("opposite", *pair)
    elif _is_name(said, names.words) and _is_name(found, names.words) and not names.may_be_one(left, right):
        yield Change("name", left, right)


def _turns_negation(said: Sequence[Word], found: Sequence[Word]) -> bool:
    """Only negations differ: "does not require" beside "requires"."""
    (mine, my_rest), (theirs, their_rest) = _negations(said), _negations(found)
    return my_rest == their_rest and mine % 2 != theirs % 2


def _negations(segment: Sequence[Word]) -> tuple[int, list[str]]:
    lowered = [word.text.lower() for word in segment]
    rest = [word.stem for word, low in zip(segment, lowered, strict=True) if low not in NEGATIONS and low not in AUXILIARIES]
    return sum(low in NEGATIONS for low in lowered), rest


def _numbers(text: str, segment: Sequence[Word]) -> list[Quantity]:
    start, end = segment[0].start, segment[-1].start + len(segment[-1].text)
    return [item for item in facts_of(text).quantities if start <= item.start < end]


def agree(one: Quantity, other: Quantity) -> bool:
    """Whether two numbers may be the same: in one unit after conversion, or in figures when a unit is missing."""
    if one.unit and other.unit and one.unit.name != other.unit.name:
        if one.unit.dimension != other.unit.dimension:
            return False
        sizes = {round(value * other.unit.size, 6) for value in other.readings}
        return any(round(value * one.unit.size, 6) in sizes for value in one.readings)
    return bool(one.readings & other.readings)


def _are_days(segment: Sequence[Word]) -> bool:
    return bool(segment) and all(word.text.lower() in WEEKDAYS for word in segment)


def _opposite(said: Sequence[Word], found: Sequence[Word]) -> tuple[str, str] | None:
    differing = [(one.text, other.text) for one, other in zip(said, found, strict=True) if one.stem != other.stem]
    return next((pair for pair in differing if are_opposite(*pair)), None)


def _abbreviates(one: str, other: str) -> bool:
    """ "EU" and "European Union"."""
    return any(short == "".join(word[0] for word in full.split()) for short, full in ((one, other), (other, one)))


def _is_name(segment: Sequence[Word], names: frozenset[str]) -> bool:
    carrying = [word for word in segment if word.text.lower() not in STOP_WORDS]
    return bool(carrying) and all(
        word.is_capitalised and word.text.removesuffix("'s") in names and word.text.lower() not in _GENERIC for word in carrying
    )


def is_verbatim(claim: str, passages: Sequence[str]) -> bool:
    """Whether the claim is one or several whole sentences of one passage, word for word."""
    wanted = [word.stem for word in words(claim)]
    for passage in passages:
        parts = [[word.stem for word in words(text)] for text in sentences(passage)]
        for first in range(len(parts)):
            joined: list[str] = []
            for part in parts[first:]:
                joined += part
                if len(joined) >= len(wanted):
                    break
            if joined == wanted and wanted:
                return True
    return False
