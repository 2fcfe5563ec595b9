"""Rows for the groundedness check, made from texts: sentences that their passage supports, in its words and in others, and
sentences that it does not support: changed a little, about another passage, or with a wrong answer. One seed, one outcome."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from specialists.grounding.changing import CHANGING, Material, changed_spans, corrupt
from specialists.grounding.facts import facts_of
from specialists.grounding.keeping import LEADING_WORDS, rephrase
from specialists.grounding.rows import Row, Spans, read_rows
from specialists.grounding.sources import Asked, Source, load_sources
from specialists.grounding.statements import make_statement
from specialists.grounding.words import STOP_WORDS, containment, content, plain, sentences

LEAST_WORDS, MOST_WORDS = 6, 40
SENTENCES_PER_PASSAGE = 3
QUESTIONS_PER_PASSAGE = 3
FIGURES = ("number", "date", "unit")  # what hurts most in an office, and what few sentences have: tried first
WRONG_PASSAGE, HALF_TRUTH, MERGED = 0.18, 0.12, 0.12
NEIGHBOURS = 8
SAID_ELSEWHERE = 0.8  # a passage with this share of the claim's words may well support it


def load_grounding_rows(path: Path, *, seed: int) -> list[Row]:
    """The rows of a JSONL file, or those made from a file in SQuAD's form or a folder of texts. Raises DataError."""
    if path.suffix == ".jsonl" and path.is_file():
        return read_rows(path)
    return list(make_rows(load_sources(path), seed=seed))


def make_rows(sources: Sequence[Source], *, seed: int, sentences_per_passage: int = SENTENCES_PER_PASSAGE) -> Iterator[Row]:
    """Pairs of a true and a false row."""
    documents: dict[str, list[Source]] = defaultdict(list)
    for source in sources:
        documents[source.document].append(source)
    for place, source in enumerate(sources):
        chooser = random.Random(f"{seed} {place} {source.document}")
        same = documents[source.document]
        near = [other for other in chooser.sample(same, min(len(same), NEIGHBOURS)) if other.text != source.text]
        if not near:
            near = [other for other in chooser.sample(list(sources), min(len(sources), NEIGHBOURS)) if other.text != source.text]
        material = Material(source.text, "\n".join(other.text for other in near))
        yield from _from_sentences(source, near, material, chooser, sentences_per_passage)
        yield from _from_questions(source, near, chooser)


def _from_sentences(
    source: Source, near: Sequence[Source], material: Material, chooser: random.Random, count: int
) -> Iterator[Row]:
    usable = [text for text in sentences(source.text)[1:] if _is_usable(text)]
    for sentence in chooser.sample(usable, min(count, len(usable))):
        claim, kind = rephrase(sentence, chooser, times=chooser.choice((0, 1, 1, 2, 2, 3)))
        draw = chooser.random()
        if draw < MERGED and len(usable) > 1:
            other = chooser.choice([text for text in usable if text != sentence])
            claim, kind = _join(claim, rephrase(other, chooser, times=1)[0]), "merged"
        false = _false(claim, kind, near, material, chooser)
        if false:
            yield Row(claim, source.text, 1, kind, source.document)
            yield Row(false.claim, false.passage or source.text, 0, false.kind, source.document, false.wrong)


@dataclass(frozen=True, slots=True)
class _False:
    """A false claim, its passage when that is another one, what was done, and which characters of it are wrong."""

    claim: str
    passage: str
    kind: str
    wrong: Spans


def _false(claim: str, kind: str, near: Sequence[Source], material: Material, chooser: random.Random) -> _False | None:
    draw = chooser.random()
    if near and draw < WRONG_PASSAGE:
        others = [other.text for other in near if containment(claim, other.text) < SAID_ELSEWHERE]
        if others:
            return _False(claim, max(others, key=lambda text: containment(claim, text)), "wrong_passage", ((0, len(claim)),))
    if near and draw < WRONG_PASSAGE + HALF_TRUTH and kind != "merged":
        wrong = [text for other in near for text in sentences(other.text) if _is_usable(text)]
        wrong = [text for text in wrong if containment(text, material.passage) < 0.5]
        if wrong:
            other = rephrase(chooser.choice(wrong), chooser, times=1)[0]
            if chooser.random() < 0.5:
                joined = _join(claim, other)
                return _False(joined, "", "half_truth", ((len(claim.rstrip(". ")), len(joined)),))
            return _False(_join(other, claim), "", "half_truth", ((0, len(other.rstrip(". "))),))
    figures, others = list(FIGURES), [name for name in CHANGING if name not in FIGURES]
    chooser.shuffle(figures)
    chooser.shuffle(others)
    order = [*figures, *others] if chooser.random() < 0.7 else [*others, *figures]
    changed = corrupt(claim, order, material, chooser)
    return _False(changed[0], "", changed[1], changed_spans(plain(claim), changed[0])) if changed else None


def _is_usable(sentence: str) -> bool:
    count = len(sentence.split())
    return (
        LEAST_WORDS <= count <= MOST_WORDS
        and not sentence.rstrip().endswith(("?", ":"))
        and sentence[0].isalnum()
        and len(content(sentence)) >= 4
    )


def _join(first: str, second: str) -> str:
    first = first.rstrip(". ")
    word = second.split(maxsplit=1)[0]
    begins = word.lower() in STOP_WORDS | LEADING_WORDS and word != "I"
    small = second[0].lower() + second[1:] if begins else second
    return f"{first}, and {small}"


def _from_questions(source: Source, near: Sequence[Source], chooser: random.Random) -> Iterator[Row]:
    """Statements of a question with its answer, with another answer of the passage, and of a question that has none."""
    answers = list(dict.fromkeys(plain(item.answer) for item in source.asked if item.answer))
    elsewhere = [plain(item.answer) for other in near for item in other.asked if item.answer]
    for item in chooser.sample(list(source.asked), min(QUESTIONS_PER_PASSAGE, len(source.asked))):
        wrong = _another_answer(item, answers, chooser) or _another_answer(item, elsewhere, chooser)
        if wrong is None:
            continue
        if item.answer:
            yield Row(make_statement(item.question, plain(item.answer)), source.text, 1, "answer", source.document)
        statement = make_statement(item.question, wrong)
        place = statement.lower().rfind(wrong.lower())
        spans = ((place, place + len(wrong)),) if place >= 0 else ()
        yield Row(statement, source.text, 0, "wrong_answer" if item.answer else "unanswerable", source.document, spans)


def _another_answer(item: Asked, answers: Sequence[str], chooser: random.Random) -> str | None:
    """One of the same kind that does not overlap with the right one."""
    right = plain(item.answer)
    mine = content(right)
    kind = _kind(right) if right else _asked_kind(item.question)
    fit = [
        text for text in answers if _kind(text) == kind and not mine & content(text) and text.lower() not in item.question.lower()
    ]
    return chooser.choice(fit) if fit else None


def _kind(answer: str) -> str:
    found = facts_of(answer)
    if found.dates or found.times:
        return "date"
    if found.quantities:
        return "number"
    return "name" if answer[:1].isupper() else "words"


def _asked_kind(question: str) -> str:
    low = question.lower()
    if low.startswith(("how many", "how much", "how long", "how old")):
        return "number"
    if low.startswith("when") or "what year" in low:
        return "number"
    return "name" if low.startswith(("who", "where", "what city", "what country")) else "words"
