"""The reranker by corpus: the choice, the figures of the corpus's own questions, and what follows them."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone

from assistant.golden.editing import Draft, add_question, change_question, phrases_of
from assistant.golden.fingerprint import fingerprint_of
from assistant.golden.models import Trigger
from assistant.models import Answer, AnswerState, Feedback
from assistant.reranking import measuring
from assistant.reranking.measuring import QUIET, claim_measurement, queue_changed, queue_measurement, work_measurements
from assistant.reranking.models import Choice, CorpusReranking, MeasuringState
from assistant.reranking.presentation import present_reranking
from assistant.reranking.questions import known_questions
from assistant.reranking.services import set_choice
from assistant.reranking.using import LEAST_QUESTIONS, Verdict, is_used, verdict_on
from assistant.services import create_answer
from assistant.streams import run_now
from ingestion.models import Chunk, Corpus
from specialists.reader.serving import ReaderPassage
from specialists.reranker import choosing
from tests.assistant.pages import client_of, text_of
from tests.assistant.rows import make_answer
from tests.people import DISCOUNTS, LEAVE, People, add_text, make_corpora

pytestmark = pytest.mark.django_db(transaction=True)
LEAVE_QUESTION = "How many days of annual leave do employees get?"
LATER = timedelta(minutes=2)


class Backwards:
    """A reranker that prefers what was found last, beyond any doubt of the search; it notes what it was shown."""

    def __init__(self) -> None:
        self.shown: list[int] = []

    def relevance(self, question: str, passages: list[ReaderPassage]) -> dict[int, float]:
        self.shown += [passage.id for passage in passages]
        return {passage.id: float(place) for place, passage in enumerate(passages)}


@pytest.fixture
def backwards(monkeypatch: pytest.MonkeyPatch) -> Backwards:
    reranker = Backwards()
    monkeypatch.setattr("specialists.reranker.serving.get_reranker", lambda: reranker)
    monkeypatch.setattr(choosing, "get_reranker", lambda: reranker)
    monkeypatch.setattr("specialists.reranker.ordering.SIDE_WEIGHT", 0.0)
    return reranker


@pytest.fixture
def handbook(people: People) -> Corpus:
    handbook, sales = make_corpora(people)
    add_text(handbook, "leave.md", LEAVE)
    add_text(handbook, "lunch.md", "# Lunch\n\nEmployees get lunch on all days at noon.")
    add_text(sales, "discounts.md", DISCOUNTS)
    add_text(sales, "days.md", "# Sales days\n\nThe team meets for training in May.")
    return handbook


def golden(corpus: Corpus, question: str = LEAVE_QUESTION, words: str = "27 days", document: str = "leave.md") -> Any:
    return add_question(corpus=corpus, draft=Draft(question, "answer", phrases_of(words), document), created_by=None)


def measured(corpus: Corpus) -> CorpusReranking:
    queue_measurement(corpus)
    work_measurements(slice_s=60)
    return CorpusReranking.objects.get(corpus=corpus)


def found(*arguments: str) -> dict[str, Any]:
    output = io.StringIO()
    call_command("explain_search", LEAVE_QUESTION, "--as", "olga", "--json", *arguments, stdout=output)
    told: dict[str, Any] = json.loads(output.getvalue())
    return told


def test_it_measures_a_corpus_by_its_own_questions_and_says_so(people: People, handbook: Corpus) -> None:
    golden(handbook)
    golden(handbook, "When is lunch?", "at noon", "lunch.md")
    assert queue_changed(now=timezone.now()) == []  # documents have only just changed
    CorpusReranking.objects.all().delete()
    assert [row.corpus for row in queue_changed(now=timezone.now() + LATER)] == [handbook]
    client = client_of(people.ada)
    page = text_of(client, reverse("assistant:reranking", args=[handbook.slug]))
    assert "Waiting to be measured" in page and "hx-trigger" in page

    assert work_measurements(slice_s=60) == 2

    row = CorpusReranking.objects.get()
    assert (row.questions, row.state, row.lease_owner) == (2, MeasuringState.IDLE, "")
    assert row.low is not None and row.ndcg_after is not None and row.ndcg_after > 50
    shown = f"Reranking put the right source first for {row.first_after} of 2 questions, {row.first_before} without it."
    assert shown in text_of(client, reverse("ingestion:corpus", args=[handbook.slug]))
    page = text_of(client, reverse("assistant:reranking", args=[handbook.slug]))
    assert shown in page and "2 questions with a known source: too few to tell, since 20 are needed." in page
    assert queue_changed(now=timezone.now() + LATER) == []
    add_text(handbook, "tea.md", "# Tea\n\nTea is at four.")
    assert queue_changed(now=timezone.now() + QUIET + LATER) == []  # within the hour
    assert len(queue_changed(now=timezone.now() + timedelta(hours=2))) == 1


def test_its_choice_is_followed_by_search_answers_and_explanations(
    people: People, handbook: Corpus, backwards: Backwards
) -> None:
    def searched() -> list[str]:
        output = io.StringIO()
        call_command("search", LEAVE_QUESTION, "--as", "olga", "--json", stdout=output)
        return [row["document"] for row in json.loads(output.getvalue())]

    assert searched()[0] != "leave.md"  # reranked backwards by default
    client = client_of(people.ada)
    client.post(reverse("assistant:reranking", args=[handbook.slug]), {"choice": "off"})
    set_choice(corpus=Corpus.objects.get(name="Sales"), choice=Choice.OFF)
    backwards.shown.clear()

    assert searched()[0] == "leave.md"
    told = found()
    assert told["not_reranked"] == ["Handbook", "Sales"]
    assert next(row["document"] for row in told["passages"]) == "leave.md"
    page = text_of(client_of(people.ada), f"{reverse('assistant:search_test')}?q=annual+leave")
    assert "Not reranked, by the choice of the corpus: Handbook." in page
    row = create_answer(user=people.olga, question=LEAVE_QUESTION, corpora=[handbook])
    run_now(row)
    row.refresh_from_db()
    first = Chunk.objects.get(pk=row.passages[0]["passage"])
    assert first.document.source_name == "leave.md"
    assert backwards.shown == []


def test_of_several_corpora_only_those_that_have_it_are_moved(people: People, handbook: Corpus, backwards: Backwards) -> None:
    def ranks() -> list[tuple[str, bool]]:
        rows = sorted(found()["passages"], key=lambda row: row["reranked"] or 99)
        return [(row["text"][:20], row["document"] in ("leave.md", "lunch.md")) for row in rows if row["reranked"]]

    for corpus in Corpus.objects.all():
        set_choice(corpus=corpus, choice=Choice.OFF)
    before = ranks()
    set_choice(corpus=handbook, choice=Choice.ON)
    after = ranks()

    of_handbook = [words for words, is_handbook in before if is_handbook]
    assert [words for words, is_handbook in after if is_handbook] == of_handbook[::-1]
    assert [is_handbook for _, is_handbook in after] == [is_handbook for _, is_handbook in before]
    assert [row for row in after if not row[1]] == [row for row in before if not row[1]]
    documents = Chunk.objects.filter(pk__in=backwards.shown).values_list("document__corpus", flat=True)
    assert set(documents) == {handbook.pk}


@pytest.mark.parametrize(
    ("questions", "before", "after", "low", "high", "verdict"),
    [
        (0, None, None, None, None, Verdict.UNDECIDED),
        (LEAST_QUESTIONS - 1, 60.0, 20.0, -50.0, -30.0, Verdict.UNDECIDED),
        (LEAST_QUESTIONS, 60.0, 66.0, 0.5, 11.0, Verdict.HELPS),
        (LEAST_QUESTIONS, 60.0, 66.0, -1.0, 13.0, Verdict.UNDECIDED),
        (LEAST_QUESTIONS, 60.0, 59.0, -7.0, 5.0, Verdict.DOES_NOT),
        (400, 60.0, 60.2, -0.4, 0.8, Verdict.DOES_NOT),
    ],
)
def test_it_is_used_where_the_questions_say_so_and_with_too_few_as_shipped(
    people: People, questions: int, before: float, after: float, low: float, high: float, verdict: Verdict
) -> None:
    corpus = make_corpora(people)[0]
    figures = {"ndcg_before": before, "ndcg_after": after, "low": low, "high": high}
    row = CorpusReranking.objects.create(corpus=corpus, questions=questions, first_before=3, first_after=4, **figures)
    assert verdict_on(row) is verdict
    assert is_used(row) is (verdict is not Verdict.DOES_NOT)
    shown = present_reranking(corpus)
    words = {
        Verdict.HELPS: "Its own questions show that it helps", Verdict.DOES_NOT: "do not show that it helps",
        Verdict.UNDECIDED: "it is used, because it gained 5.8 points on one of the four public sets",
    }  # fmt: skip
    assert words[verdict] in shown.why
    assert shown.state == f"Reranking is {'' if shown.is_used else 'not '}used."
    for choice in (Choice.ON, Choice.OFF):
        set_choice(corpus=corpus, choice=choice)
        assert present_reranking(corpus).is_used is (choice == Choice.ON)


def test_an_answer_that_was_accepted_speaks_only_where_both_orders_would_have_read_it(
    people: People, handbook: Corpus, backwards: Backwards, monkeypatch: pytest.MonkeyPatch
) -> None:
    chunk = Chunk.objects.get(document__source_name="leave.md", text__contains="27 days")
    answer = make_answer(people.ben, LEAVE_QUESTION, state=AnswerState.ANSWERED)
    answer.citations.create(
        number=1, document=chunk.document, document_revision=1, passage_id=chunk.pk, title="", quote="27 days", start=0, end=7
    )
    Feedback.objects.create(answer=answer, user=people.ben, verdict=Feedback.Verdict.HELPFUL)
    assert [(item.asked.grades, item.is_accepted) for item in known_questions(handbook)] == [({chunk.pk: 1}, True)]
    assert measured(handbook).accepted == 1

    monkeypatch.setattr(choosing, "PASSAGES_READ", 1)  # read first by the search, last by the reranker
    assert measured(handbook).questions == 0
    golden(handbook)
    row = measured(handbook)
    assert (row.questions, row.accepted, row.first_before, row.first_after) == (1, 0, 1, 0)
    Answer.objects.update(summary_of=chunk.document)
    handbook.golden_questions.all().delete()
    assert known_questions(handbook) == []


def test_it_goes_on_where_a_killed_worker_stopped_and_begins_anew_with_other_questions(
    people: People, handbook: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = golden(handbook)
    golden(handbook, "When is lunch?", "at noon", "lunch.md")
    asked: list[str] = []
    row = {"before": 2, "after": 1, "ndcg": [0.5, 1.0], "accepted": False}
    monkeypatch.setattr(measuring, "measure", lambda known: asked.append(known.asked.question) or row)
    queue_measurement(handbook)
    assert work_measurements(slice_s=0.0) == 0
    claim = claim_measurement()
    assert claim is not None
    measuring.work_on(claim, should_stop=lambda: True)
    assert asked == [LEAVE_QUESTION]
    CorpusReranking.objects.update(lease_owner="elsewhere:1:dead", lease_until=timezone.now())  # killed with the second in work

    work_measurements(slice_s=60)

    assert asked == [LEAVE_QUESTION, "When is lunch?"]
    done = CorpusReranking.objects.get()
    assert (done.questions, done.first_before, done.first_after, done.gain) == (2, 0, 2, 50.0)
    queue_measurement(handbook)
    claim = claim_measurement()
    assert claim is not None
    measuring.work_on(claim, should_stop=lambda: True)
    change_question(question=first, draft=Draft("How much annual leave is there?", "answer", (), "leave.md"))
    work_measurements(slice_s=60)
    assert asked[3:] == ["How much annual leave is there?", "When is lunch?"]


def test_a_question_that_kills_the_worker_is_left_out_and_a_missing_model_is_said(
    people: People, handbook: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    golden(handbook)
    queue_measurement(handbook)
    CorpusReranking.objects.update(attempts=measuring.MOST_ATTEMPTS)
    work_measurements(slice_s=60)
    assert CorpusReranking.objects.get().questions == 0

    monkeypatch.setattr("specialists.reranker.serving.get_reranker", lambda: None)
    row = measured(handbook)
    assert (row.state, row.error_message) == (MeasuringState.FAILED, measuring.NOT_INSTALLED)
    assert "No reranker is installed" in text_of(client_of(people.ada), reverse("assistant:reranking", args=[handbook.slug]))


def test_only_who_manages_the_corpus_chooses_and_golden_runs_follow(people: People, handbook: Corpus) -> None:
    url = reverse("assistant:reranking", args=[handbook.slug])
    assert client_of(people.olga).post(url, {"choice": "off"}).status_code == 404
    before = fingerprint_of(handbook)
    client = client_of(people.ada)
    client.post(url, {"choice": "sideways"})
    assert fingerprint_of(handbook) == before
    client.post(url, {"choice": "off"})
    after = fingerprint_of(handbook)
    assert {part for part in after if after[part] != before[part]} == {Trigger.THRESHOLD}
    client.post(url, {"measure": "1"})
    assert CorpusReranking.objects.get().state == MeasuringState.QUEUED


def test_the_command_measures_and_prints(people: People, handbook: Corpus) -> None:
    output = io.StringIO()
    call_command("measure_reranking", stdout=output, stderr=io.StringIO())
    assert "No corpus has a question" in output.getvalue()
    golden(handbook)
    output = io.StringIO()
    call_command("measure_reranking", "--corpus", handbook.slug, "--json", stdout=output, stderr=io.StringIO())
    told = json.loads(output.getvalue())
    assert (told[0]["corpus"], told[0]["questions"], told[0]["is_used"]) == (handbook.slug, 1, True)
