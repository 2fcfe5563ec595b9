"""The groundedness check of an answer: sentences with citations in, and for each whether its citations support it, which
passage does, and why not. Rules first; then the trained head, when one is installed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from specialists.grounding.rules import Fault, Ruling, judge, states_something
from specialists.grounding.words import containment

Verdict = Literal["supported", "moved", "unsupported"]
MOST_OTHERS = 3  # further passages that a sentence without support is tried on
LEAST_TO_MOVE = 0.6  # of the sentence's words, in the passage that the citation is moved to
LEAST_WITHOUT_HEAD = 0.5  # of the words, when rules alone must say that a passage supports
RULES_ALONE = "The trained check is not installed: numbers, names, dates, quotations and negations were compared, nothing else."


class Head(Protocol):
    """Says how surely a passage supports a claim."""

    name: str
    threshold: float

    def probabilities(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """Per (claim, passage) the probability that the passage supports the claim."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence of an answer with the numbers of the passages that it cites."""

    text: str
    citations: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CheckedSentence:
    """`citations` are those that support it: none when it is unsupported, and when it states nothing that needs a source.
    `score` is the head's probability of the best of them, or the share of the words when rules decided alone."""

    text: str
    citations: tuple[int, ...]
    verdict: Verdict
    reason: str
    score: float


@dataclass(frozen=True, slots=True)
class CheckedAnswer:
    """`is_refused`: sentences needed a source and none of them has one. `note` is empty, or says what was not checked."""

    sentences: tuple[CheckedSentence, ...]
    is_refused: bool
    note: str


@dataclass(slots=True)
class _Judgement:
    """A claim against one passage, or against several cited together."""

    claim: str
    text: str
    ruling: Ruling
    faults: tuple[Fault, ...]
    probability: float | None = None

    def is_support(self, threshold: float | None) -> bool:
        if self.faults:
            return False
        if self.ruling.is_verbatim:
            return True
        if threshold is None or self.probability is None:
            return self.ruling.containment >= LEAST_WITHOUT_HEAD
        return self.probability >= threshold

    @property
    def score(self) -> float:
        if self.ruling.is_verbatim:
            return 1.0
        return self.ruling.containment if self.probability is None else self.probability


class _Bench:
    """Judges claims against passages; the head sees all open pairs of a round at once."""

    def __init__(self, passages: Mapping[int, str], head: Head | None) -> None:
        self.passages = passages
        self.head = head
        self.known: dict[tuple[str, tuple[int, ...]], _Judgement] = {}

    def hear(self, wanted: Sequence[tuple[str, tuple[int, ...]]]) -> None:
        new = [key for key in dict.fromkeys(wanted) if key not in self.known]
        for claim, numbers in new:
            texts = [self.passages[number] for number in numbers]
            ruling = judge(claim, texts)
            faults = ruling.standing(has_head=self.head is not None)
            self.known[claim, numbers] = _Judgement(claim, "\n".join(texts), ruling, faults)
        open_ones = [self.known[key] for key in new if not self.known[key].faults and not self.known[key].ruling.is_verbatim]
        if self.head is not None and open_ones:
            values = self.head.probabilities([(item.claim, item.text) for item in open_ones])
            for item, value in zip(open_ones, values, strict=True):
                item.probability = value

    def supports(self, claim: str, numbers: tuple[int, ...]) -> bool:
        return self.known[claim, numbers].is_support(self.head.threshold if self.head else None)


def check_answer(sentences: Sequence[Claim], passages: Mapping[int, str], *, head: Head | None = None) -> CheckedAnswer:
    """Check every sentence against the passages that it cites, and the ones without support against the others.

    `passages` are the texts with their titles and headings, by the numbers that the citations use; unknown numbers are
    dropped. Without a `head` rules decide alone, and the note says so."""
    bench = _Bench(passages, head)
    stating = [item for item in sentences if states_something(item.text)]
    first: list[tuple[str, tuple[int, ...]]] = []
    for item in stating:
        cited = _known(item, passages)
        first += [(item.text, (number,)) for number in cited]
        first += [(item.text, cited)] if len(cited) > 1 else []
    bench.hear(first)
    lost = [item for item in stating if not _supporting(item, bench)]
    bench.hear([(item.text, (number,)) for item in lost for number in _others(item, passages)])
    checked = tuple(_check(item, bench) if item in stating else _states_nothing(item) for item in sentences)
    needing = [result for item, result in zip(sentences, checked, strict=True) if item in stating]
    is_refused = bool(needing) and all(result.verdict == "unsupported" for result in needing)
    return CheckedAnswer(checked, is_refused, "" if head else RULES_ALONE)


def _known(item: Claim, passages: Mapping[int, str]) -> tuple[int, ...]:
    return tuple(number for number in dict.fromkeys(item.citations) if number in passages)


def _others(item: Claim, passages: Mapping[int, str]) -> list[int]:
    """The passages that share most words with the claim, of those that it does not cite."""
    share = {number: containment(item.text, text) for number, text in passages.items() if number not in item.citations}
    likely = [number for number in share if share[number] >= LEAST_TO_MOVE]
    return sorted(likely, key=lambda number: (-share[number], number))[:MOST_OTHERS]


def _supporting(item: Claim, bench: _Bench) -> tuple[int, ...]:
    """The citations that support the claim: each alone, else all together."""
    cited = _known(item, bench.passages)
    alone = tuple(number for number in cited if bench.supports(item.text, (number,)))
    if alone or len(cited) < 2:
        return alone
    return cited if bench.supports(item.text, cited) else ()


def _check(item: Claim, bench: _Bench) -> CheckedSentence:
    cited = _known(item, bench.passages)
    supporting = _supporting(item, bench)
    if supporting:
        keys = [(number,) for number in supporting] if bench.supports(item.text, (supporting[0],)) else [supporting]
        best = max((bench.known[item.text, key] for key in keys), key=lambda judgement: judgement.score)
        return CheckedSentence(item.text, supporting, "supported", _praise(best, cited, supporting), best.score)
    found = [number for number in _others(item, bench.passages) if bench.supports(item.text, (number,))]
    if found:
        best_number = max(found, key=lambda number: bench.known[item.text, (number,)].score)
        reason = (
            f"Source {best_number} supports it; {_sources(cited)} not."
            if cited
            else f"It had no citation; source {best_number} supports it."
        )
        return CheckedSentence(item.text, (best_number,), "moved", reason, bench.known[item.text, (best_number,)].score)
    return CheckedSentence(item.text, (), "unsupported", _blame(item, cited, bench), _best_score(item, cited, bench))


def _best_score(item: Claim, cited: Sequence[int], bench: _Bench) -> float:
    found = [bench.known[item.text, (number,)] for number in cited]
    return max((0.0 if judgement.faults else judgement.score for judgement in found), default=0.0)


def _praise(best: _Judgement, cited: Sequence[int], supporting: Sequence[int]) -> str:
    if best.ruling.is_verbatim:
        reason = "It stands in the source word for word."
    elif best.probability is None:
        reason = f"Nothing in it contradicts the source, which has {best.ruling.containment:.0%} of its words."
    else:
        reason = f"The source supports it: {best.probability:.2f}."
    dropped = [number for number in cited if number not in supporting]
    return f"{reason} Dropped: {', '.join(str(number) for number in dropped)}." if dropped else reason


def _blame(item: Claim, cited: Sequence[int], bench: _Bench) -> str:
    if not cited:
        return "It cites nothing, and no passage supports it."
    judgements = [bench.known[item.text, (number,)] for number in cited]
    closest = max(judgements, key=lambda judgement: judgement.ruling.containment)
    if closest.faults:
        return closest.faults[0].reason
    if closest.probability is None:
        return f"The source has only {closest.ruling.containment:.0%} of its words."
    needed = bench.head.threshold if bench.head else 0.0
    return f"The source does not say this: {closest.probability:.2f}, at least {needed:.2f} is needed."


def _sources(numbers: Sequence[int]) -> str:
    return f"source {numbers[0]} does" if len(numbers) == 1 else f"sources {', '.join(str(number) for number in numbers)} do"


def _states_nothing(item: Claim) -> CheckedSentence:
    return CheckedSentence(item.text, (), "supported", "It states nothing that needs a source.", 1.0)
