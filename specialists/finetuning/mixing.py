"""Rows out of pairs of question and passage, so that a model learns to read as it will have to: most with passages that come
close beside the one that answers, some with any others, some without it, some where it says something else than the documents do.

After RAFT (Zhang et al. 2024), whose models see distractors in training; the shares are those of the product's design."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from specialists.finetuning.pairs import Pair, Section
from specialists.finetuning.rows import Row, RowPassage
from specialists.grounding.changing import Material, corrupt
from specialists.grounding.words import containment

SHARES = {"near": 0.55, "altered": 0.05, "far": 0.15, "unanswerable": 0.25}
ROUND_TRIP = 20  # among so many passages its question must find the passage that it was made from
MOST_BESIDE = 6  # passages beside the gold one
LEAST_WITHOUT = 2  # passages of a question that none answers
SAID_ELSEWHERE = 0.8  # of the answer's words: a passage that has so many may well answer, too
HELD_OUT = 0.2  # of the documents, and of the parts of one that has several
ENOUGH_HELD_OUT = 15  # questions: ten rows must be left to judge by, and not every question becomes one

Unit = tuple[int, int]  # a document, or a part of one (Section.unit)

NOT_FOUND = "its own passage is not found by it"
TOO_FEW = "there are too few passages to ask among"


@dataclass(frozen=True, slots=True)
class Mixed:
    """A row with how it was made."""

    row: Row
    kind: str
    is_held_out: bool
    pair: Pair


def hold_out(units: Collection[Unit], *, seed: int) -> frozenset[Unit]:
    """A fifth of the documents, one at least where there are several; of a document of several parts a fifth of these."""
    parts: dict[int, list[Unit]] = {}
    for unit in sorted(set(units)):
        parts.setdefault(unit[0], []).append(unit)
    whole = [items[0] for items in parts.values() if len(items) == 1]
    held = _fifth(whole, f"{seed} documents")
    for document, items in parts.items():
        held += _fifth(items, f"{seed} {document}") if len(items) > 1 else []
    return frozenset(held)


def hold_out_enough(questions: Mapping[Unit, int], *, seed: int) -> frozenset[Unit]:
    """`hold_out`, and further documents where these give too few of all `questions` to judge by: at most half of them."""
    held = set(hold_out(questions, seed=seed))
    others = sorted(set(questions) - held)
    random.Random(f"{seed} more").shuffle(others)
    count, most = sum(questions[unit] for unit in held), sum(questions.values()) // 2
    for unit in others:
        if count < ENOUGH_HELD_OUT and count + questions[unit] <= most:
            held.add(unit)
            count += questions[unit]
    return frozenset(held)


def _fifth(units: list[Unit], seed: str) -> list[Unit]:
    ordered = list(units)
    random.Random(seed).shuffle(ordered)
    return ordered[: max(1, round(len(ordered) * HELD_OUT)) if len(ordered) > 1 else 0]


def mix(
    pair: Pair, found: Sequence[int], sections: Mapping[int, Section], *, held_out: frozenset[Unit], seed: int,
    shares: Mapping[str, float] = SHARES,
) -> Mixed | str:  # fmt: skip
    """The row of a pair, or why it becomes none. `found`: the chunks that a search for the question brings, best first. A row to
    train on shows nothing of what is held out."""
    gold = pair.section
    if gold.chunk not in found[:ROUND_TRIP]:
        return NOT_FOUND
    is_held_out = gold.unit in held_out
    if not is_held_out and pair.rejected_units & held_out:
        pair = replace(pair, rejected="")
    chooser = random.Random(f"{seed} {gold.chunk} {pair.question}")

    def is_fit(section: Section) -> bool:
        is_shown = is_held_out or section.unit not in held_out
        return is_shown and section.chunk != gold.chunk and containment(pair.answer, section.text) < SAID_ELSEWHERE

    near = [sections[chunk] for chunk in found if chunk in sections and is_fit(sections[chunk])]
    if not pair.answer:
        return Mixed(
            _tempting(pair, [sections[chunk] for chunk in found if chunk in sections], chooser), "unanswerable", is_held_out, pair
        )
    kind = chooser.choices(list(shares), weights=list(shares.values()))[0]
    made = _MAKING[kind](pair, near, _others(sections, is_fit, chooser), chooser)
    if made is None:
        kind, made = "near", _near(pair, near, (), chooser)
    if made is None:
        return TOO_FEW
    return Mixed(made, kind, is_held_out, pair)


def _others(sections: Mapping[int, Section], is_fit: Callable[[Section], bool], chooser: random.Random) -> Sequence[Section]:
    drawn = chooser.sample(sorted(sections), min(len(sections), 4 * MOST_BESIDE))
    return [sections[chunk] for chunk in drawn if is_fit(sections[chunk])]


def _near(pair: Pair, near: Sequence[Section], others: Sequence[Section], chooser: random.Random) -> Row | None:
    beside = list(near[: chooser.randint(1, MOST_BESIDE)])
    beside.insert(chooser.randint(0, len(beside)), pair.section)
    return Row(pair.question, tuple(map(_passage, beside)), pair.answer, pair.section.chunk, pair.rejected)


def _far(pair: Pair, near: Sequence[Section], others: Sequence[Section], chooser: random.Random) -> Row | None:
    beside = list(others[: chooser.randint(0, MOST_BESIDE)])
    beside.insert(chooser.randint(0, len(beside)), pair.section)
    return Row(pair.question, tuple(map(_passage, beside)), pair.answer, pair.section.chunk, pair.rejected)


def _without(pair: Pair, near: Sequence[Section], others: Sequence[Section], chooser: random.Random) -> Row | None:
    beside = near[: chooser.randint(LEAST_WITHOUT, MOST_BESIDE)]
    if len(beside) < LEAST_WITHOUT:
        return None
    return Row(pair.question, tuple(map(_passage, beside)), "", pair.section.chunk)


def _tempting(pair: Pair, near: Sequence[Section], chooser: random.Random) -> Row:
    """A person has said that the passage does not answer: it is shown, and refused."""
    beside = [section for section in near if section.unit == pair.section.unit and section is not pair.section]
    shown = [pair.section, *beside[: chooser.randint(0, LEAST_WITHOUT)]]
    return Row(pair.question, tuple(map(_passage, shown)), "", pair.section.chunk, pair.rejected)


def _altered(pair: Pair, near: Sequence[Section], others: Sequence[Section], chooser: random.Random) -> Row | None:
    """The passage and the answer say another number or date than the document does: what the passage says must win over what the
    model remembers."""
    changed = corrupt(pair.answer, ("number", "date"), Material(pair.section.text, pair.section.text), chooser)
    if changed is None or pair.answer not in pair.section.text:
        return None
    section = replace(pair.section, text=pair.section.text.replace(pair.answer, changed[0]))
    return _near(replace(pair, answer=changed[0], section=section, rejected=""), near, others, chooser)


def _passage(section: Section) -> RowPassage:
    return RowPassage(section.chunk, section.context, section.text)


_MAKING: dict[str, Callable[[Pair, Sequence[Section], Sequence[Section], random.Random], Row | None]] = {
    "near": _near, "altered": _altered, "far": _far, "unanswerable": _without,
}  # fmt: skip
