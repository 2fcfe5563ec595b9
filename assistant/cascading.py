"""The cascade: the tiers of a decision one after another, until one answers. Each try is kept for the ledger."""

from __future__ import annotations

import logging
from collections.abc import Generator
from dataclasses import asdict, dataclass, field

from assistant.errors import UNEXPECTED
from assistant.events import Queued, Reading, Sentence
from assistant.ledger.measuring import Measurement, measure
from assistant.ledger.models import TierUse
from assistant.ledger.recording import Use, about_tokens
from assistant.tiers import STOPPED, TIERS, Attempt, Question, Tiers, Trying, about_tokens_of
from ingestion.connections import lend_connection
from specialists.errors import SpecialistError
from specialists.relaying import relay
from specialists.router.cascade import next_tier
from specialists.router.types import QUOTES, READER, SPECIALIST, Decision, TierEvidence

logger = logging.getLogger(__name__)

READING = (READER, QUOTES)


@dataclass(slots=True)
class Outcome:
    """`attempt`: the one that answered, else the first that read the passages, whose words may be offered; None when the asker
    has stopped the answer. `uses`: all tries, in order."""

    attempt: Attempt | None
    uses: list[Use] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Try:
    """`attempt` is None when the tier could not work, for the reason of `problem`, or when the asker has stopped it; the tokens
    are then about those of what it was given and had told by then."""

    attempt: Attempt | None
    cost: Measurement
    problem: str = ""
    is_stopped: bool = False
    tokens_in: int = 0
    tokens_out: int = 0


def run_cascade(
    decision: Decision, question: Question, tiers: Tiers = TIERS
) -> Generator[Queued | Reading | Sentence, None, Outcome]:  # fmt: skip
    """Yields what a tier tells before its end. A tier that cannot work costs quality, never an answer: where no
    tier of the decision has answered or read the passages, the reader and the sentence composer stand in; but nobody is asked for
    who has stopped the answer. Raises SpecialistError when they cannot, too."""
    uses: list[Use] = []
    best: Attempt | None = None
    for tier in _in_order(decision, tiers):
        if best is not None and best.tier in READING and tier not in decision.tiers:
            break
        if uses and not question.is_wanted():
            return Outcome(None, uses)
        tried = yield from _try(tier, tiers[tier](question), question)
        attempt, cost = tried.attempt, tried.cost
        if attempt is None:
            failed = TierUse.Outcome.FAILED
            uses.append(Use(
                tier, failed, cost.latency_ms, cost.cpu_seconds, tokens_in=tried.tokens_in, tokens_out=tried.tokens_out,
                reason=tried.problem, decision=for_ledger(decision),
            ))  # fmt: skip
            if tried.is_stopped:
                return Outcome(None, uses)
            continue
        step = next_tier(decision, TierEvidence(attempt.tier, attempt.confidence, attempt.threshold))
        is_answered = attempt.composition.is_answered
        uses.append(Use(
            attempt.tier, TierUse.Outcome.ANSWERED if is_answered else TierUse.Outcome.ABSTAINED, cost.latency_ms,
            cost.cpu_seconds, tokens_in=attempt.tokens_in, tokens_out=attempt.tokens_out, confidence=attempt.confidence,
            reason=step.reason, decision={**for_ledger(decision), **_adapter_of(attempt)},
        ))  # fmt: skip
        if is_answered:
            return Outcome(attempt, uses)
        best = attempt if best is None or best.tier not in READING else best  # only what is read has words to offer
    if best is None:
        raise SpecialistError("no_tier", "No model could read the passages. An administrator must run manage.py prepare.")
    return Outcome(best, uses)


def _try(tier: str, trying: Trying, question: Question) -> Generator[Queued | Reading | Sentence, None, _Try]:
    lend_connection()  # a model works now
    told: list[str] = []  # what is known of a try that does not come to its end

    def note(event: Queued | Reading | Sentence) -> Queued | Reading | Sentence:
        if isinstance(event, Sentence):
            told.append(event.text)
        return event

    with measure() as cost:
        try:
            attempt = yield from relay(trying, note)
        except SpecialistError as error:
            if error.code != STOPPED:
                logger.warning("The tier %s cannot work: %s", tier, error.public_message)
            problem, is_stopped = error.public_message, error.code == STOPPED
        except Exception:  # a bug of one tier must not cost the answer of the others
            logger.exception("The tier %s failed", tier)
            problem, is_stopped = UNEXPECTED, False
        else:
            return _Try(attempt, cost)
    return _Try(None, cost, problem, is_stopped, about_tokens_of(question) if told else 0, about_tokens(*told))


def for_ledger(decision: Decision) -> dict[str, object]:
    """Scores, thresholds and reasons; never words of the question."""
    return {name: value for name, value in asdict(decision).items() if name != "reply"}


def _adapter_of(attempt: Attempt) -> dict[str, object]:
    """Which version of a specialist it was, answered or not."""
    return {"adapter": attempt.refusal.get("adapter", "")} if attempt.tier == SPECIALIST else {}


def _in_order(decision: Decision, tiers: Tiers) -> list[str]:
    return [tier for tier in dict.fromkeys([*decision.tiers, READER, QUOTES]) if tier in tiers]
