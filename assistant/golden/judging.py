"""Whether an answer is what a golden question expects, and when a run as a whole is good enough."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from assistant.golden.models import Expectation
from assistant.models import AnswerState
from specialists.squad_metrics import holds


@dataclass(frozen=True, slots=True)
class Judgement:
    """`is_cited` is None when no document was asked for. `problem` is for those who may see what was expected."""

    is_correct: bool
    is_cited: bool | None
    problem: str


def judge(
    *, expects: str, must_contain: Sequence[Sequence[str]], document_name: str, state: str, text: str, cited: Collection[str]
) -> Judgement:
    """Compare an answer's end state, its text and the names of the documents that it cites with what was expected."""
    if state not in (AnswerState.ANSWERED, AnswerState.ABSTAINED):
        return Judgement(False, None, "The answer failed.")
    if expects == Expectation.REFUSAL:
        is_refused = state == AnswerState.ABSTAINED
        return Judgement(is_refused, None, "" if is_refused else "It answered, and should have refused.")
    if state == AnswerState.ABSTAINED:
        return Judgement(False, False if document_name else None, "It refused, and should have answered.")
    missing = [alternatives for alternatives in must_contain if not holds(text, alternatives)]
    is_cited = document_name in cited if document_name else None
    if missing:
        return Judgement(False, is_cited, f"The answer does not say “{missing[0][0][:200]}”.")
    if is_cited is False:
        return Judgement(False, False, f"It does not cite “{document_name[:200]}”.")
    return Judgement(True, is_cited, "")


@dataclass(frozen=True, slots=True)
class Gate:
    """When a run passes: at least this share right, and at most so many newly wrong."""

    minimum_correct: float
    maximum_broken: int

    def verdict(self, *, correct: int, total: int, broken: int | None) -> tuple[bool, str]:
        """Passed or not, and the sentence that says why. `broken` is None without a run to compare with."""
        share = correct / total if total else 0.0
        is_enough = share >= self.minimum_correct
        are_few = broken is None or broken <= self.maximum_broken
        wanted = f"{correct} of {total} right ({share:.0%}); at least {self.minimum_correct:.0%} is asked for"
        allowed = f"at most {self.maximum_broken} may be" if self.maximum_broken else "none may be"
        compared = "nothing to compare with" if broken is None else f"{broken} newly wrong; {allowed}"
        return is_enough and are_few, f"{wanted}. {compared[0].upper()}{compared[1:]}."
