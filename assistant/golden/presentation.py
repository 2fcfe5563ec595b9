"""What one person sees of golden questions and results: expectations and answers only as far as they may read the documents."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from assistant.golden.comparing import LABELS, Comparison, Pair
from assistant.golden.editing import text_of
from assistant.golden.models import Expectation, GoldenQuestion, GoldenResult
from assistant.golden.permissions import Sight

HIDDEN = "Hidden: it comes from a document that you may not read."
OUTCOMES = {"": "Not asked", "answered": "Answered", "abstained": "Refused", "failed": "Failed"}


@dataclass(frozen=True, slots=True)
class Expected:
    """What was asked for, in words; `is_hidden` when the viewer may not read the document that it comes from."""

    words: str
    document: str
    is_hidden: bool


@dataclass(frozen=True, slots=True)
class ShownQuestion:
    row: GoldenQuestion
    expected: Expected
    is_stale: bool  # its document is no longer in the corpus
    last: GoldenResult | None  # of the latest run that asked it


@dataclass(frozen=True, slots=True)
class ShownResult:
    row: GoldenResult
    expected: Expected
    outcome: str
    answer: str
    hidden_sentences: int
    cited: tuple[str, ...]
    problem: str


@dataclass(frozen=True, slots=True)
class ShownPair:
    change: str
    label: str
    text: str
    before: ShownResult | None
    after: ShownResult | None


def show_questions(
    questions: Iterable[GoldenQuestion], sight: Sight, document_names: set[str], last: Sequence[GoldenResult]
) -> list[ShownQuestion]:
    results = {result.key: result for result in last}
    return [
        ShownQuestion(
            row=question,
            expected=_expected(question.expects, question.must_contain, question.document_name, sight),
            is_stale=bool(question.document_name) and question.document_name not in document_names,
            last=results.get(question.key),
        )
        for question in questions
    ]


def show_results(results: Iterable[GoldenResult], sight: Sight) -> list[ShownResult]:
    return [show_result(result, sight) for result in results]


def show_result(result: GoldenResult, sight: Sight) -> ShownResult:
    expected = _expected(result.expects, result.must_contain, result.document_name, sight)
    seen = [item["text"] for item in result.sentences if sight.sees_answer(item["documents"])]
    return ShownResult(
        row=result,
        expected=expected,
        outcome=OUTCOMES.get(result.outcome, result.outcome),
        answer=" ".join(seen),
        hidden_sentences=len(result.sentences) - len(seen),
        cited=tuple(item["title"] for item in result.cited if sight.sees_answer([item["document"]])),
        problem="" if expected.is_hidden else result.problem,
    )


def show_pairs(comparison: Comparison, sight: Sight, change: str = "") -> list[ShownPair]:
    return [_pair(pair, sight) for pair in comparison.pairs if not change or pair.change == change]


def _pair(pair: Pair, sight: Sight) -> ShownPair:
    return ShownPair(
        change=pair.change,
        label=LABELS[pair.change],
        text=pair.shown.text,
        before=show_result(pair.before, sight) if pair.before else None,
        after=show_result(pair.after, sight) if pair.after else None,
    )


def _expected(expects: str, must_contain: Sequence[Sequence[str]], document_name: str, sight: Sight) -> Expected:
    if not sight.sees_expectation(document_name):
        return Expected(HIDDEN, "", is_hidden=True)
    if expects == Expectation.REFUSAL:
        return Expected("A refusal", "", is_hidden=False)
    return Expected(text_of(must_contain), document_name, is_hidden=False)
