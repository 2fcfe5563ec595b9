"""The one answer path, behind every door: authorize → understand → route → retrieve → second gate → answer or abstain → record.

A failure is a failed answer with a sentence; it never becomes an answer without sources. No database connection is held
while a model works.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from django.db import transaction

from assistant.cascading import Outcome, for_ledger, run_cascade
from assistant.composing import sentence_events
from assistant.errors import UNEXPECTED
from assistant.escalations.handing import hand_to_person, is_wish
from assistant.events import AnswerEvent, Finished, Queued, Reading, Routed, Sentence, Sources, Understood
from assistant.finetuning.choosing import choose_adapter, may_use
from assistant.finetuning.trials.taking import Choice, keep_answer, written_among
from assistant.followups import TURNS_REMEMBERED, standalone_question, topic
from assistant.jobs.summarising import SUMMARISING, as_summary, document_to_summarise, passages_of
from assistant.ledger.measuring import Measurement, measure
from assistant.ledger.models import TierUse
from assistant.ledger.recording import Use, record_tiers
from assistant.models import SEARCH_ANYWAY, Answer, AnswerState
from assistant.permissions import searchable_chunks, searchable_partitions
from assistant.recording import Told, fill, is_wanted, record, record_failure, record_tries
from assistant.reranking.using import movable
from assistant.superseding import in_force
from assistant.tiers import TIERS, Attempt, Question, Tiers, evidence_of
from ingestion.connections import lend_connection
from ingestion.models import Chunk, Partition
from retrieval.errors import RetrievalError
from retrieval.passages import FloatMatrix, Hit
from specialists.errors import SpecialistError
from specialists.router.cascade import decide, only_tier, search_first
from specialists.router.rules import current_rules
from specialists.router.tiers import installed_tiers
from specialists.router.types import HUMAN, SMALLTALK, SPECIALIST, Decision

if TYPE_CHECKING:
    from retrieval.search import SearchResult

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Timings:
    started: float = field(default_factory=time.perf_counter)
    marks: dict[str, float] = field(default_factory=dict)

    def mark(self, stage: str, since: float) -> None:
        self.marks[stage] = round((time.perf_counter() - since) * 1000, 2)

    def total(self) -> dict[str, float]:
        return {**self.marks, "total": round((time.perf_counter() - self.started) * 1000, 2)}


def answer(row: Answer) -> Generator[AnswerEvent, None, None]:
    """Answer the question of `row` and record what became of it. Ends with Finished or Failed, always."""
    timings = _Timings()
    try:
        yield from _answer(row, timings)
    except (RetrievalError, SpecialistError) as error:
        yield record_failure(row, error.public_message, timings.total())
    except Exception:  # a bug must end as a failed answer, not as a page that waits for ever
        logger.exception("Answer %s failed", row.pk)
        yield record_failure(row, UNEXPECTED, timings.total())


def _answer(row: Answer, timings: _Timings) -> Iterator[AnswerEvent]:
    since = time.perf_counter()
    partitions = _authorize(row)
    row.standalone_question = _understand(row)
    row.corpora_searched = len({partition.corpus_id for partition in partitions})
    timings.mark("authorize", since)
    yield Understood(row.standalone_question)

    since = time.perf_counter()
    vector = _embed(row)
    timings.mark("embed", since)

    since = time.perf_counter()
    decision = _route(row, partitions, vector)
    row.summary_of = document_to_summarise(row, decision, partitions)
    if row.summary_of is not None:
        decision = as_summary(row, decision)
    timings.mark("route", since)
    first = decision.tiers[0] if decision.tiers else HUMAN
    yield Routed(first, "")
    if first in (SMALLTALK, HUMAN):
        yield from _answer_without_search(row, decision, timings)
        return

    before: tuple[Measurement, ...] = ()
    if row.summary_of is not None:
        row.corpora_searched = 1
        found, chunks = passages_of(row, row.summary_of)
    else:
        found, chunks, before = _search(row, partitions, timings)
    yield Sources(row.corpora_searched, len(found.hits), tuple(hit.id for hit in found.hits))

    since = time.perf_counter()
    found, chunks, outcome, choice = yield from _read(row, decision, found, chunks)
    timings.mark("read", since)
    written = written_among(outcome.uses)
    _charge(outcome.uses[0], *before)
    attempt = outcome.attempt
    if attempt is None:
        record_tries(row, outcome.uses)
        yield Finished(AnswerState.STOPPED)
        return
    fill(row, attempt, outcome.uses[-1].reason, found.hits, chunks)
    row.refusal["is_crisis"] = decision.is_crisis
    if row.summary_of is not None:
        row.refusal["passages_in_document"] = row.summary_of.chunk_count
    if not record(row, outcome.uses, timings.total(), attempt=attempt, chunks=chunks):
        yield Finished(AnswerState.STOPPED)
        return
    if row.summary_of is None:
        keep_answer(row, choice, written)
    if not (attempt.is_told and attempt.composition.is_answered):
        yield from sentence_events(row.sentences)
    yield Finished(row.state)


def _answer_without_search(row: Answer, decision: Decision, timings: _Timings) -> Iterator[AnswerEvent]:
    """Small talk gets its short reply; what a rule sends to a person goes to one. A wish for a person, and what sounds sensitive,
    waits until its author sends it."""
    is_talk = decision.tiers[:1] == (SMALLTALK,)
    if is_wish(decision):
        decision = replace(decision, reason=f"{decision.reason} once its author sends it")
    row.state = AnswerState.ANSWERED if is_talk else AnswerState.ABSTAINED
    row.sentences = [{"text": decision.reply, "citations": []}] if is_talk else []
    row.text, row.route = decision.reply if is_talk else "", SMALLTALK if is_talk else HUMAN
    row.corpora_searched = 0
    row.refusal = {"route": decision.reason, "is_crisis": decision.is_crisis, "is_wish": is_wish(decision)}
    with transaction.atomic():  # nobody sees the answer without the person whom it went to
        is_recorded = record(row, [], timings.total())
        outcome = TierUse.Outcome.ANSWERED if is_talk else TierUse.Outcome.ABSTAINED
        if is_recorded and not is_talk and hand_to_person(row, decision):
            outcome = TierUse.Outcome.ESCALATED
        if is_recorded:
            use = Use(row.route, outcome, 0.0, 0.0, reason=decision.reason, decision=for_ledger(decision))
            record_tiers(answer=row, uses=[use])
    if not is_recorded:
        yield Finished(AnswerState.STOPPED)
        return
    yield from sentence_events(row.sentences)
    yield Finished(row.state)


def _authorize(row: Answer) -> list[Partition]:
    return list(searchable_partitions(row.conversation))


def _understand(row: Answer) -> str:
    if row.standalone_question:  # a retry keeps the understanding of the first time
        return row.standalone_question
    turns = (
        Answer.objects.filter(conversation=row.conversation_id, pk__lt=row.pk)
        .exclude(state__in=[AnswerState.FAILED, AnswerState.STOPPED])
        .exclude(route=SMALLTALK)
        .order_by("-pk")
        .values_list("question", "standalone_question")[:TURNS_REMEMBERED]
    )
    return standalone_question(row.question, topic([(asked, whole or asked) for asked, whole in reversed(turns)]))


def _embed(row: Answer) -> FloatMatrix:
    """(1, dimension), of what was typed; the search of the same words takes it from the cache."""
    from retrieval.search import question_vector

    lend_connection()  # the model works now
    return question_vector(row.question)


def _route(row: Answer, partitions: Sequence[Partition], vector: FloatMatrix) -> Decision:
    """By what was typed: a follow-up's topic must not make a question of a “thanks”."""
    rules = current_rules()
    lend_connection()
    corpora = sorted({partition.corpus_id for partition in partitions})
    installed = installed_tiers()
    decision = decide(row.question, vector[0], installed=installed, rules=rules, corpora=corpora)
    if row.tier_wanted:
        return only_tier(decision, row.tier_wanted)
    return search_first(decision, installed=installed) if row.refusal.get(SEARCH_ANYWAY) else decision


def _search(
    row: Answer, partitions: Sequence[Partition], timings: _Timings
) -> tuple[SearchResult, dict[int, Chunk], tuple[Measurement, ...]]:  # fmt: skip
    """What is found and may be read, in the reranker's order where its corpus has it, and what that took."""
    since = time.perf_counter()
    with measure() as searching:
        found = _retrieve(row.standalone_question, partitions)
    timings.mark("retrieve", since)
    since = time.perf_counter()
    chunks = in_force(row.standalone_question, _second_gate(row, found.hits))
    timings.mark("gate", since)
    since = time.perf_counter()
    with measure() as ranking:
        found = _choose(row.standalone_question, found, chunks)
    timings.mark("rerank", since)
    return found, chunks, (searching, ranking)


def _retrieve(question: str, partitions: Sequence[Partition]) -> SearchResult:
    from retrieval.search import search
    from specialists.reranker.choosing import CANDIDATES

    lend_connection()  # the model works now
    return search(question, scope=[partition.key for partition in partitions], top_k=CANDIDATES)


def _second_gate(row: Answer, hits: Sequence[Hit]) -> dict[int, Chunk]:
    """Every hit is read again under the same rule, for those who read as they are now; what the index has and the database has
    not is dropped."""
    return {chunk.pk: chunk for chunk in searchable_chunks(row.conversation, [hit.id for hit in hits])}


def _choose(question: str, found: SearchResult, chunks: dict[int, Chunk]) -> SearchResult:
    from specialists.reader.serving import ReaderPassage
    from specialists.reranker.choosing import choose

    among = movable(chunks.values())
    lend_connection()
    return choose(question, found, [ReaderPassage(pk, chunk.text, chunk.context) for pk, chunk in chunks.items()], among=among)


def _read(
    row: Answer, decision: Decision, found: SearchResult, chunks: dict[int, Chunk]
) -> Generator[Queued | Reading | Sentence, None, tuple[SearchResult, dict[int, Chunk], Outcome, Choice]]:
    """The cascade over the passages. What went while a model worked (deleted, or no longer the asker's to read) is in no answer:
    where one has words of it, the reader answers anew from what is left."""
    uses: list[Use] = []
    tiers: Tiers = TIERS if row.summary_of is None else SUMMARISING
    while True:
        choice = _choose_adapter(row, decision, [chunks[hit.id] for hit in found.hits])
        question = Question(
            row.standalone_question, found, evidence_of(found, chunks), chunks, lambda: is_wanted(row),
            partial(_is_readable, row, [hit.id for hit in found.hits], choice.adapter), choice.adapter,
            Told(row, found.hits, chunks).keep,
        )  # fmt: skip
        outcome = yield from run_cascade(decision, question, tiers)
        uses += outcome.uses
        left = _second_gate(row, found.hits)
        gone = {hit.id for hit in found.hits} - set(left)
        if outcome.attempt is None or not (_has_words_of(outcome.attempt, gone) or _has_lost_adapter(row, outcome.attempt)):
            return found, chunks, Outcome(outcome.attempt, uses), choice
        found, chunks = replace(found, hits=tuple(hit for hit in found.hits if hit.id in left)), left
        decision = replace(decision, tiers=())


def _choose_adapter(row: Answer, decision: Decision, chunks: Sequence[Chunk]) -> Choice:
    if SPECIALIST not in decision.tiers:
        return Choice()
    asker = None if row.conversation.is_internal else row.asker.pk
    return choose_adapter(chunks, lambda: [partition.pk for partition in _authorize(row)], asker=asker)


def _has_lost_adapter(row: Answer, attempt: Attempt) -> bool:
    """An adapter is a copy of what it was trained on: who may no longer read all of that gets none of its words."""
    adapter = attempt.refusal.get("adapter", "")
    return bool(adapter) and not may_use(adapter, [partition.pk for partition in _authorize(row)])


def _has_words_of(attempt: Attempt, passages: Collection[int]) -> bool:
    """What a model wrote may have them from any passage that it was given."""
    if attempt.is_told:
        return bool(passages)
    return any(quote.passage in passages for quote in (*attempt.composition.quotes, *attempt.withheld))


def _is_readable(row: Answer, passages: Collection[int], adapter: str) -> bool:
    """Asked before each sentence of an answer that is being written: it may have words of any of them."""
    try:
        left = searchable_chunks(row.conversation, passages).count()
        return left == len(passages) and (not adapter or may_use(adapter, [partition.pk for partition in _authorize(row)]))
    finally:
        lend_connection()


def _charge(use: Use, *before: Measurement) -> None:
    """What led to the first try is charged to it."""
    use.latency_ms += sum(part.latency_ms for part in before)
    use.cpu_seconds += sum(part.cpu_seconds for part in before)
