"""From the reader's spans to an answer: verbatim sentences around them, with what agrees merged and what contradicts shown.

The caller decides whether to show it (specialists/refusal); this module only decides how it would read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from specialists.composition.disagreement import is_disagreement, is_older_version, terms_of
from specialists.composition.lists import asks_for_list, enumerated, further_items, split_enumeration
from specialists.composition.ranking import Found, Ranking, ranking_rows, shipped, with_cosines
from specialists.composition.sentences import is_header_row, say, sentence_around, with_predecessor
from specialists.composition.types import ComposedSentence, Composition, Evidence, Offsets, Quote
from specialists.composition.values import agree, read_value

if TYPE_CHECKING:
    from specialists.reader.serving import Reading

DIFFER = "The documents differ:"
AGREES_WITHIN = 4.0  # log-odds below the best span that an agreeing one may be
CONTRADICTS_WITHIN = 2.0  # of the ranking's log-odds and of the reader's
ALSO_WITHIN = 0.7
OFFERED_WITHIN = 2.3  # log-odds: a tenth as likely as the best one
MOST_OFFERED = 3
MOST_AGREEING = 3
SAME_SUBJECT = 0.6  # of the question's terms that the best sentence has, the share that an agreeing one must have


@dataclass(slots=True)
class _Page:
    """The answer as it is written."""

    quotes: list[Quote] = field(default_factory=list)
    sentences: list[ComposedSentence] = field(default_factory=list)

    def cite(self, found: Found, quote: Offsets | None = None) -> int:
        start, end = quote or found.quote
        for place, known in enumerate(self.quotes):
            if (known.passage, known.start, known.end) == (found.evidence.passage, start, end):
                return place
        self.quotes.append(Quote(found.evidence.passage, start, end, found.evidence.text[start:end], found.span.score))
        return len(self.quotes) - 1

    def write(self, found: Found, *, agreeing: Sequence[Found] = (), lead: str = "", layout: str = "plain") -> None:
        said = say(found.evidence, found.quote, ((found.span.start, found.span.end),))
        numbers = dict.fromkeys(self.cite(item) for item in (found, *agreeing))
        self.sentences.append(ComposedSentence(said.text, tuple(numbers), said.marks, lead, layout))


def compose_reading(question: str, reading: Reading, evidence: Sequence[Evidence], ranking: Ranking | None = None) -> Composition:
    """The answer around the reader's spans. `evidence` is in the order of the search."""
    return compose_spans(question, find(question, reading, evidence, ranking))


def compose_spans(question: str, found: Sequence[Found]) -> Composition:
    """The answer around spans as `find` gives them; without a span, an abstention."""
    if not found:
        return Composition(is_answered=False, confidence=0.0, quotes=())
    page = _Page()
    agreeing = agreeing_with(question, found)
    is_list = asks_for_list(question) and (_write_enumerated(page, found[0]) or _write_items(page, found))
    if not is_list and not _write_disagreement(page, question, found, agreeing):
        page.write(found[0], agreeing=agreeing[:MOST_AGREEING])
        _write_also(page, found, agreeing)
    return Composition(True, confidence_of(found[0], agreeing), tuple(page.quotes), tuple(page.sentences))


def offer(found: Sequence[Found]) -> Composition:
    """What to show when no span is sure enough to answer: the sentences around the likeliest, best first, none twice."""
    quotes: list[Quote] = []
    for item in found:
        start, end = item.quote
        is_elsewhere = all(item.evidence.passage != known.passage or end <= known.start or known.end <= start for known in quotes)
        is_new = is_elsewhere and item.words not in {known.text for known in quotes}
        if is_new and item.rank_score >= found[0].rank_score - OFFERED_WITHIN and len(quotes) < MOST_OFFERED:
            quotes.append(Quote(item.evidence.passage, start, end, item.words, item.span.score))
    return Composition(is_answered=False, confidence=0.0, quotes=tuple(quotes))


def find(question: str, reading: Reading, evidence: Sequence[Evidence], ranking: Ranking | None = None) -> list[Found]:
    """The reader's spans with their passages, best first; an older edition of a document never goes before the newer one."""
    return rank(question, with_cosines(question, unranked(reading, evidence)), reading, evidence, ranking)


def rank(
    question: str, found: Sequence[Found], reading: Reading, evidence: Sequence[Evidence], ranking: Ranking | None = None
) -> list[Found]:
    """Spans with their cosines, best first."""
    if not found:
        return []
    scores = (ranking or shipped()).scores(ranking_rows(question, found, reading, evidence)).tolist()
    ranked = [replace(item, rank_score=score) for item, score in zip(found, scores, strict=True)]
    return _without_older(question, sorted(ranked, key=lambda item: -item.rank_score))


def unranked(reading: Reading, evidence: Sequence[Evidence]) -> list[Found]:
    """The spans in the reader's own order; those of passages that are not there (any more) are left out."""
    passages = {item.passage: item for item in evidence}
    found = []
    for span in reading.spans:
        item = passages.get(span.passage)
        if item is not None and item.text[span.start : span.end].strip() and not is_header_row(item, span.start):
            quote = with_predecessor(item, sentence_around(item, span.start, span.end))
            value = read_value(item.text[span.start : span.end], item.text[span.end : quote[1]])
            found.append(Found(span, item, value, quote))
    return found


def _without_older(question: str, found: list[Found]) -> list[Found]:
    """Without spans of a document that a newer edition among the other spans replaces; one is always left."""
    kept = []
    for item in found:
        rivals = [other for other in found if other.rank_score >= item.rank_score - AGREES_WITHIN]
        if not any(is_older_version(question, item.evidence, other.evidence) for other in rivals if other is not item):
            kept.append(item)
    return kept or found


def agreeing_with(question: str, found: Sequence[Found]) -> list[Found]:
    """The spans of other passages that say the same as the best one, of the same subject."""
    best = found[0]
    asked = terms_of(question)
    own = asked & terms_of(f"{best.evidence.context} {best.words}")
    agreeing: list[Found] = []
    for other in found[1:]:
        is_near = other.rank_score >= best.rank_score - AGREES_WITHIN
        is_new = other.evidence.passage not in (best.evidence.passage, *(item.evidence.passage for item in agreeing))
        if is_near and is_new and agree(best.value, other.value):
            theirs = asked & terms_of(f"{other.evidence.context} {other.words}")
            if len(own & theirs) >= SAME_SUBJECT * len(own):
                agreeing.append(other)
    return agreeing


def confidence_of(best: Found, agreeing: Sequence[Found]) -> float:
    """The probability of the answer: that of the best span and of those that say the same."""
    return min(1.0, best.span.probability + sum(item.span.probability for item in agreeing))


def _write_disagreement(page: _Page, question: str, found: Sequence[Found], agreeing: Sequence[Found]) -> bool:
    best = found[0]
    own = (best.evidence, best.words, best.value)
    for other in found[1:]:
        is_near = other.rank_score >= best.rank_score - CONTRADICTS_WITHIN
        is_likely = other.span.score >= max(0.0, best.span.score - CONTRADICTS_WITHIN)  # whatever the ranking gives for it
        is_sure = is_near and is_likely and best.span.score > 0
        if is_sure and is_disagreement(question, own, (other.evidence, other.words, other.value)):
            page.write(best, agreeing=agreeing[:MOST_AGREEING], lead=DIFFER, layout="item")
            page.write(other, layout="item")
            return True
    return False


def _write_also(page: _Page, found: Sequence[Found], agreeing: Sequence[Found]) -> None:
    """A second sentence, when the reader is nearly as sure of it and it says something else."""
    best = found[0]
    for other in found[1:]:
        if other.rank_score < best.rank_score - ALSO_WITHIN:
            return
        overlaps = other.evidence is best.evidence and other.quote[0] < best.quote[1] and best.quote[0] < other.quote[1]
        if not overlaps and other not in agreeing and other.words != best.words and not agree(best.value, other.value):
            page.write(other)
            return


def _write_enumerated(page: _Page, best: Found) -> bool:
    """The whole list that the best span is an item of, under one citation."""
    intro, items = enumerated(best.evidence, (best.span.start, best.span.end))
    if not items:
        return False
    place = page.cite(best, ((intro or items[0])[0], items[-1][1]))
    text = best.evidence.text
    if intro:
        page.sentences.append(ComposedSentence(text[slice(*intro)], (place,)))
    page.sentences += [ComposedSentence(text[slice(*item)], (place,), layout="item") for item in items]
    return True


def _write_items(page: _Page, found: Sequence[Found]) -> bool:
    """The sentences of the best passage that hold an item, in the passage's order; False when there is one item only."""
    best = found[0]
    spans = [(item.span.start, item.span.end) for item in further_items(found)]
    if len(spans) == 1:
        spans = list(split_enumeration(best.evidence, *spans[0]))
    quotes = [item.quote for item in found if item.evidence is best.evidence and (item.span.start, item.span.end) in spans]
    if len(spans) < 2:
        return False
    ordered = _merged(quotes or [best.quote])
    for quote in ordered:
        said = say(best.evidence, quote, tuple(spans))
        layout = "item" if len(ordered) > 1 else "plain"
        page.sentences.append(ComposedSentence(said.text, (page.cite(best, quote),), said.marks, layout=layout))
    return True


def _merged(quotes: Sequence[Offsets]) -> list[Offsets]:
    """In order, without overlaps."""
    merged: list[Offsets] = []
    for start, end in sorted(quotes):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
