"""The ledger: what is measured, priced, recorded and reported."""

from __future__ import annotations

import json
import threading
import time
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command

from assistant.ledger.measuring import Measurement, measure
from assistant.ledger.models import TierUse
from assistant.ledger.presentation import as_table, money
from assistant.ledger.recording import Use, about_tokens, record_tiers
from assistant.ledger.report import latency_of, report_routes
from assistant.limits.using import take_question
from assistant.models import Answer, AnswerState, Feedback
from assistant.services import record_feedback
from config.costs import read_costs
from tests.assistant.pages import client_of, text_of
from tests.assistant.rows import make_answer
from tests.people import People

COSTS = {
    "currency": "EUR",
    "tiers": {
        "default": {"cpu_second": 0.01, "gpu_second": 1, "tokens_in": 0, "tokens_out": 0},
        "largest": {"cpu_second": 0, "tokens_in": 2, "tokens_out": 10},
    },
}


@pytest.fixture(autouse=True)
def _costs(settings: Any) -> None:
    settings.TIER_COSTS = COSTS


def burn(seconds: float) -> None:
    """Use this much CPU time of this thread."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def in_thread(work: Any) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


# --- Measuring --------------------------------------------------------------------------------------------------------


def test_it_counts_its_own_cpu_and_that_of_pool_threads() -> None:
    with measure() as own:
        burn(0.05)
        in_thread(lambda: burn(0.1)).join()  # as a model's pool would
    assert own.cpu_seconds >= 0.149
    assert own.latency_ms >= own.cpu_seconds * 1000 * 0.5


def test_it_shares_the_cpu_of_others_and_counts_none_twice() -> None:
    """Two answers in the making, and a third thread that nobody measures."""
    started, together = time.process_time(), threading.Barrier(3)
    figures: dict[str, Measurement] = {}

    def work(name: str, seconds: float) -> None:
        with measure() as figures[name]:
            together.wait()
            burn(seconds)
            together.wait()

    def unmeasured() -> None:
        together.wait()
        burn(0.2)
        together.wait()

    threads = [in_thread(unmeasured), in_thread(lambda: work("much", 0.12)), in_thread(lambda: work("little", 0.02))]
    for thread in threads:
        thread.join()
    assert figures["much"].cpu_seconds >= figures["little"].cpu_seconds + 0.08
    assert figures["little"].cpu_seconds >= 0.1, "half of what nobody was measured for"
    assert sum(item.cpu_seconds for item in figures.values()) <= time.process_time() - started + 0.005


def _failing() -> Measurement:
    inner = Measurement()
    try:
        with measure() as inner:
            burn(0.03)
            raise ValueError("no answer")
    except ValueError:
        return inner


def test_it_measures_a_block_within_a_block_and_one_that_fails() -> None:
    with measure() as outer:
        burn(0.03)
        inner = _failing()
    assert 0.029 <= inner.cpu_seconds <= outer.cpu_seconds - 0.02


# --- Prices -----------------------------------------------------------------------------------------------------------


def test_it_keeps_each_try_with_its_price_in_one_query_and_counts_in_another(
    people: People, django_assert_num_queries: Any
) -> None:
    answer = make_answer(people.ben, "How many days?", state=AnswerState.ANSWERED, route="largest")
    uses = [
        Use("reader", "escalated", 90.0, 0.5, tokens_in=1200, confidence=0.31, reason="not sure enough", decision={"fact": 0.9}),
        Use("largest", "answered", 900.0, 0.1, gpu_seconds=2.0, tokens_in=3000, tokens_out=200),
    ]
    take_question(user=people.ben)
    with django_assert_num_queries(2):
        record_tiers(answer=answer, uses=uses)
    reader, largest = answer.tier_uses.all()
    assert (reader.tier, reader.order, reader.price, reader.decision) == ("reader", 0, Decimal("0.005"), {"fact": 0.9})
    assert (largest.order, largest.price) == (1, Decimal("10"))  # 2 GPU-seconds at 1, 3,000 read at 2, 200 written at 10
    with pytest.raises(ValueError, match="outcome"):
        record_tiers(answer=answer, uses=[Use("reader", "gave up", 1, 1)])
    assert about_tokens("abcd", "abcde", "") == 3


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "no JSON"),
        ("[]", "no JSON object"),
        ('{"reader": {"cpu": 1}}', 'for "reader"'),
        ('{"reader": {"cpu_second": -1}}', '"reader", "cpu_second"'),
        ('{"reader": {"cpu_second": true}}', "number"),
        ('{"currency": ""}', "currency"),
    ],
)
def test_it_refuses_an_odd_cost_table_with_a_sentence(text: str, words: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="TIER_COSTS") as caught:
        read_costs(text)
    assert words in str(caught.value)


def test_it_lays_a_given_table_over_the_assumed_one() -> None:
    table = read_costs('{"currency": "GBP", "default": {"cpu_second": 0.5}, "reader": {"gpu_second": 3}}')
    assert table["currency"] == "GBP"
    assert table["tiers"]["default"]["cpu_second"] == 0.5
    assert table["tiers"]["default"]["gpu_second"] == read_costs("")["tiers"]["default"]["gpu_second"]
    assert table["tiers"]["reader"] == {"gpu_second": 3}


# --- The report -------------------------------------------------------------------------------------------------------


def make_ledger(people: People) -> list[Answer]:
    """Three of the reader (one refused), one of the largest after the reader gave up, one that failed without a route."""
    answered, abstained = AnswerState.ANSWERED, AnswerState.ABSTAINED
    answers = [
        make_answer(people.ben, f"Question {number}?", state=state, route=route, timings_ms={"total": total})
        for number, (state, route, total) in enumerate(
            [(answered, "reader", 100), (answered, "reader", 200), (abstained, "reader", 300), (answered, "largest", 2000)]
        )
    ]
    for answer in answers[:3]:
        record_tiers(answer=answer, uses=[Use("reader", answer.state, 90.0, 0.2, tokens_in=1000, tokens_out=10)])
    tries = [Use("reader", "escalated", 90.0, 0.2, tokens_in=1000), Use("largest", "answered", 1800.0, 0, 0, 1000, 100)]
    record_tiers(answer=answers[3], uses=tries)
    failed = make_answer(people.cy, "And this?", state=AnswerState.FAILED, timings_ms={})
    record_feedback(answer=answers[0], user=people.ben, verdict=Feedback.Verdict.HELPFUL)
    record_feedback(answer=answers[3], user=people.ben, verdict=Feedback.Verdict.NOT_HELPFUL)
    internal = make_answer(people.ben, "A golden one?", state=answered, route="reader", timings_ms={"total": 5})
    internal.conversation.is_internal = True
    internal.conversation.save()
    return [*answers, failed]


def test_it_reports_quality_latency_and_cost_of_each_route(people: People) -> None:
    make_ledger(people)
    report = report_routes()
    reader, largest, none = report.routes
    assert [(row.route, row.answers) for row in report.routes] == [("reader", 3), ("largest", 1), ("none", 1)]
    assert (reader.answered, reader.abstained, reader.helpful_share, reader.votes) == (2, 1, 1.0, 1)
    assert (reader.latency.p50, reader.latency.p95) == (200, 300)
    assert reader.cpu_seconds == pytest.approx(0.6)
    assert reader.cost == Decimal("0.006")
    assert largest.cost == Decimal("0.002") + 2 + 1  # the reader's try, 1,000 tokens read, 100 written
    assert (largest.helpful_share, none.failed, none.cost_per_answer) == (0.0, 1, None)
    assert report.total.answers == 5
    assert {tier.tier: tier.outcomes for tier in report.tiers} == {
        "reader": {"answered": 2, "abstained": 1, "escalated": 1},
        "largest": {"answered": 1},
    }


def test_it_counts_what_its_asker_stopped_apart_from_what_failed(people: People) -> None:
    failed = make_answer(people.ben, "And this?", state=AnswerState.FAILED)
    stopped = make_answer(people.ben, "And that?", state=AnswerState.ANSWERING)
    client_of(people.ben).post(f"/answers/{stopped.pk}/stop")
    report = report_routes()
    assert {row.route: (row.answers, row.failed) for row in report.routes} == {"none": (1, 1), "stopped": (1, 0)}
    assert report.total.failed == 1
    page = text_of(client_of(people.ada), "/manage/quality/routes")
    assert "Stopped by the asker" in page
    assert page.count("No route (failed)") == 1
    failed.conversation.delete()
    assert "(failed)" not in text_of(client_of(people.ada), "/manage/quality/routes")


def test_it_says_what_was_saved_and_that_quality_was_not_measured(people: People) -> None:
    make_ledger(people)
    report = report_routes()
    assert report.saving is not None
    assert report.saving.largest_would_cost == 3 * Decimal("2.1") + Decimal("3.002")  # what the largest ended costs the same
    assert report.saving.saved == 3 * (Decimal("2.1") - Decimal("0.002"))
    table = as_table(report)
    assert "Quality lost: Not measured" in table
    assert "assumed prices" in table


def test_it_counts_nothing_before_the_day(people: People, capsys: Any) -> None:
    make_ledger(people)
    call_command("report_routes", "--since", "2999-01-01", "--format", "json")
    report = json.loads(capsys.readouterr().out)
    assert report["total"]["answers"] == 0
    assert report["saved"] == "not measured"
    call_command("report_routes", "--since", "7d")
    assert "reader" in capsys.readouterr().out
    with pytest.raises(CommandError, match="neither a day"):
        call_command("report_routes", "--since", "soon")


def test_it_takes_percentiles_by_the_nearest_rank() -> None:
    assert (latency_of(range(100)).p50, latency_of(range(100)).p95) == (49, 94)
    assert latency_of([]).p50 is None


def test_it_writes_money_so_that_small_sums_are_seen() -> None:
    assert [money(Decimal(text)) for text in ("0", "0.0000123", "0.5", "1234.5")] == [
        "EUR 0", "under EUR 0.0001", "EUR 0.50", "EUR 1,234.50",
    ]  # fmt: skip


def test_it_shows_the_pages_to_administrators_only(people: People) -> None:
    answers = make_ledger(people)
    ada = client_of(people.ada)
    routes = text_of(ada, "/manage/quality/routes")
    assert "Reader" in routes
    assert "assumed prices" in routes
    page = text_of(ada, "/manage/quality/?period=all")
    assert "60%" in page, "the reader ended three of five"
    assert answers[0].question not in page
    for person in (people.olga, people.ben):
        text_of(client_of(person), "/manage/quality/", status=404)
        text_of(client_of(person), "/manage/quality/routes", status=404)


def test_it_counts_apart_what_needed_no_search(people: People) -> None:
    make_ledger(people)
    for route, state in (("smalltalk", AnswerState.ANSWERED), ("human", AnswerState.ABSTAINED)):
        make_answer(people.ben, "Hello", state=state, route=route, timings_ms={"total": 3})
    page = text_of(client_of(people.ada), "/manage/quality/?period=all")
    assert "of 5 questions to the documents; 2 more needed no search" in page


def test_it_shows_a_reported_question_but_no_other(people: People) -> None:
    answers = make_ledger(people)
    record_feedback(answer=answers[1], user=people.ben, verdict="not_helpful", reason="wrong", comment="It is 12 days.")
    page = text_of(client_of(people.ada), "/manage/quality/?period=all")
    assert answers[1].question in page
    assert "It is 12 days." in page
    assert answers[3].question not in page, "a thumb alone shows nothing"


def test_it_forgets_the_ledger_of_a_deleted_conversation(people: People) -> None:
    answers = make_ledger(people)
    answers[0].conversation.delete()
    assert TierUse.objects.filter(answer=answers[0].pk).count() == 0
