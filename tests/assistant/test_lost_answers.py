"""An answer whose web process died is found by whoever looks; one that a living process makes, here or elsewhere, goes on."""

from __future__ import annotations

import subprocess
import sys
import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from assistant import leases, streams, writers
from assistant.errors import LOST
from assistant.models import Answer, AnswerState
from assistant.services import start_answer
from assistant.streams import Channel
from tests.assistant.pages import client_of, text_of
from tests.assistant.rows import make_answer
from tests.people import People

LATER = timedelta(minutes=4)


@pytest.fixture
def row(people: People) -> Answer:
    return make_answer(
        people.ben, "How long is parental leave?", state=AnswerState.ANSWERING, lease_until=timezone.now() + LATER,
        written_by=leases.this_process(),
    )  # fmt: skip


def written_by(row: Answer, *, process: int | str | None = None, started: str | None = None, place: str | None = None) -> None:
    of_place, number, at = row.written_by.rsplit(":", 2)
    name = f"{place or of_place}:{process or number}:{started or at}"
    Answer.objects.filter(pk=row.pk).update(written_by=name)


def page_of(people: People, row: Answer) -> str:
    return text_of(client_of(people.ben), reverse("assistant:conversation", args=[row.conversation_id]))


def is_waited_for(people: People, row: Answer) -> bool:
    page = page_of(people, row)
    assert ("aria-busy" in page) != (LOST in page)
    return "aria-busy" in page


def dead_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_page_tells_that_the_process_of_its_answer_is_dead(people: People, row: Answer) -> None:
    written_by(row, process=dead_process())

    page = page_of(people, row)

    assert "aria-busy" not in page
    assert LOST in page
    assert reverse("assistant:retry", args=[row.pk]) in page
    row.refresh_from_db()
    assert (row.state, row.error_message, row.lease_until) == (AnswerState.FAILED, LOST, None)


def test_a_process_that_has_the_number_of_a_dead_one_is_another(people: People, row: Answer) -> None:
    written_by(row, started="1")

    assert not is_waited_for(people, row)


def test_it_ends_no_answer_of_a_living_process(people: People, row: Answer) -> None:
    assert is_waited_for(people, row)


@pytest.mark.parametrize("number", ["1", "999999999"])
def test_it_ends_no_answer_of_another_host_that_renews_its_lease(people: People, row: Answer, number: str) -> None:
    written_by(row, place="elsewhere/12345678-1234/4026531836", process=number)
    Answer.objects.filter(pk=row.pk).update(lease_until=timezone.now() + timedelta(seconds=5))

    writers.renew([row.pk])

    assert is_waited_for(people, row)
    row.refresh_from_db()
    assert row.lease_until is not None
    assert timedelta(seconds=20) < row.lease_until - timezone.now() <= writers.HELD


def test_it_ends_an_answer_of_another_host_that_renews_no_more(people: People, row: Answer) -> None:
    written_by(row, place="elsewhere/12345678-1234/4026531836")
    Answer.objects.filter(pk=row.pk).update(lease_until=timezone.now() - timedelta(seconds=1))

    assert not is_waited_for(people, row)


def test_it_ends_no_answer_of_a_worker_before_its_lease_does(people: People, row: Answer) -> None:
    """Another worker may take it up, as in Slack."""
    Answer.objects.filter(pk=row.pk).update(written_by="")

    assert is_waited_for(people, row)


def test_a_question_names_the_process_that_answers_it(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "run_in_background", lambda row: None)

    asked = start_answer(user=people.ben, question="How long is parental leave?")

    assert asked.written_by == leases.this_process() != ""
    assert not leases.is_dead(asked.written_by)


def test_a_process_renews_what_it_holds_until_it_holds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    renewed: list[list[int]] = []

    def note(answers: list[int]) -> None:
        renewed.append(answers)
        streams._channels.pop(answers[0])

    monkeypatch.setattr(streams, "_channels", {-1: Channel(), -2: Channel()})
    monkeypatch.setattr(streams, "EVERY_S", 0.0)
    monkeypatch.setattr(streams, "renew", note)
    heart = streams._Heart()
    before = set(threading.enumerate())
    heart.start()
    for thread in set(threading.enumerate()) - before:
        thread.join(20)

    assert renewed == [[-1, -2], [-2]]
    assert not heart._is_beating


def test_a_holder_of_another_start_with_the_same_number_is_dead() -> None:
    """A container comes back under its old name, and its first process has the old number."""
    later = timezone.now() + LATER
    place, number, started, claim = leases.new_owner().split(":")

    assert not leases.is_abandoned(f"{place}:{number}:{started}:{claim}", later)
    assert leases.is_abandoned(f"{place}:{number}:{int(started) - 1}:{claim}", later)
    assert not leases.is_abandoned(f"elsewhere/1:{number}:{int(started) - 1}:{claim}", later)


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL chooses its plan by how many rows there are.")
def test_it_reads_no_finished_answer_to_find_the_unfinished(people: People) -> None:
    """Each question looks for them, and an organization has many answers."""
    with CaptureQueriesContext(connection) as captured:
        writers.lost_answers()
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {captured[0]['sql']}")
        plan = str(cursor.fetchall())
    assert "answers_by_state" in plan
