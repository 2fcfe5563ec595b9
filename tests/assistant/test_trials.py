"""Trials of a version before it is in use: unseen beside what is in use, for one group, or for a share of the people."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from assistant import answering
from assistant.finetuning.models import SpecialistVersion, VersionState
from assistant.finetuning.trials import shadowing, taking
from assistant.finetuning.trials.models import Trial, TrialAnswer
from assistant.finetuning.trials.shadowing import work_shadows
from assistant.ledger.models import TierUse
from assistant.ledger.recording import Use
from assistant.models import Answer, AnswerState, Feedback
from assistant.services import Manner, create_answer
from ingestion.services import delete_document
from retrieval.passages import Hit
from retrieval.search import SearchResult
from specialists import language_models
from specialists.errors import SpecialistError
from specialists.language_models.types import End, Message, Piece
from specialists.prompting import NO_ANSWER
from specialists.router.types import SPECIALIST
from tests.assistant.pages import client_of, text_of
from tests.assistant.test_finetuning import BASE, CANARY, QUESTION, Canary, make_version
from tests.people import People

pytestmark = pytest.mark.django_db
IN_USE, CANDIDATE = "policies-v1", "policies-v2"


@dataclass
class Speaker:
    """A language model whose versions each say one thing."""

    says: dict[str, str] = field(
        default_factory=lambda: {"": f"{BASE} [1].", IN_USE: f"{BASE} [1].", CANDIDATE: f"{CANARY} [1]."}
    )
    before: Callable[[str], object] = lambda adapter: None
    name: str = "house"
    window: int = 4096

    @property
    def adapters(self) -> tuple[str, ...]:
        return tuple(name for name in self.says if name)

    def generate(self, messages: Sequence[Message], *, most_tokens: int, adapter: str = "") -> Iterator[Piece | End]:
        self.before(adapter)
        yield Piece(self.says[adapter])
        yield End("stop", 100, 12)

    def count_tokens(self, text: str) -> int:
        return len(text) // 3

    def warm_up(self) -> None:
        pass


class House(Canary):
    """Version 1 is in use and open to everyone who reads the handbook; the candidate was trained on a document of Sales, too."""

    def __init__(self, people: People) -> None:
        super().__init__(people)
        self.candidate = self.version
        self.version.documents.filter(document=self.closed).delete()
        SpecialistVersion.objects.filter(pk=self.version.pk).update(document_count=1)
        self.candidate = make_version(self.version.specialist, self.open, self.closed, incumbent=self.version)
        self.ada = client_of(people.ada)  # she may read all of it

    def start(self, **form: Any) -> str:
        """The page after it."""
        values = {"kind": "shadow", "share": "100", "most_answers": "50", **form}
        url = f"/manage/specialists/policies/versions/{self.candidate.number}/trial/start"
        return self.ada.post(url, values, follow=True).content.decode()

    def page(self) -> str:
        return text_of(self.ada, f"/manage/specialists/policies/versions/{self.candidate.number}/")


@pytest.fixture
def speaker(monkeypatch: pytest.MonkeyPatch) -> Speaker:
    made = Speaker()
    monkeypatch.setattr(language_models, "get_language_model", lambda: made)
    return made


@pytest.fixture
def house(people: People, speaker: Speaker, monkeypatch: pytest.MonkeyPatch, settings: Any) -> House:
    people.ada.groups.add(people.sales, people.engineering)
    made = House(people)
    settings.LANGUAGE_MODEL = {"BACKEND": "the.house", "OPTIONS": {}}
    found = SearchResult((Hit(made.chunk.pk, 1.0),))
    monkeypatch.setattr(answering, "_retrieve", lambda *_: found)
    monkeypatch.setattr(answering, "_choose", lambda _, found, chunks: found)
    return made


# --- Unseen -----------------------------------------------------------------------------------------------------------


def test_an_unseen_candidate_writes_what_was_answered_and_only_what_is_in_use_is_shown(house: House, people: People) -> None:
    assert "Version 2 is being tried" in house.start()

    shown = house.ask(people.ben)

    assert (shown.text, shown.refusal["adapter"]) == (f"{BASE}.", IN_USE)
    assert TrialAnswer.objects.get().state == "queued", "nobody waits for it"
    assert "1 waiting" in house.page()
    assert "On trial" in text_of(house.ada, "/manage/specialists/policies/")
    assert work_shadows() == 1
    row = TrialAnswer.objects.get()
    assert (row.state, row.was_answered, row.is_answered) == ("done", True, True)
    assert row.sentences == [{"text": f"{CANARY}.", "passages": [house.chunk.pk]}]
    assert row.agreement is not None and row.agreement < 0.5
    assert row.same_sources == 1.0
    shown.refresh_from_db()
    assert shown.text == f"{BASE}."
    assert TierUse.objects.filter(answer=shown).count() == 1, "the asker is charged for what they got"
    assert TierUse.objects.get(answer=shown).decision["adapter"] == IN_USE
    page = house.page()
    assert "1 of 50 answers" in page
    assert "100 % of the sources agree" in page
    assert CANARY not in page and QUESTION not in page, "it is Ben's question"


def test_a_person_sees_both_answers_to_their_own_questions_while_they_may_read_what_they_are_from(
    house: House, people: People
) -> None:
    house.start()
    house.ask(people.ada)
    work_shadows()

    page = house.page()
    assert QUESTION in page and f"{BASE}." in page and f"{CANARY}." in page

    delete_document(document=house.closed)
    assert CANARY not in house.page()


def test_who_may_not_read_all_that_the_candidate_was_trained_on_is_in_no_trial(house: House, people: People) -> None:
    house.start()

    assert house.says(people.cy) == (f"{BASE}.", IN_USE)
    assert not TrialAnswer.objects.exists()

    house.ask(people.ben)
    people.ben.groups.clear()
    assert work_shadows() == 1
    assert not TrialAnswer.objects.exists()
    assert Trial.objects.get().dropped == 1


def test_a_refusal_of_either_is_told_apart(house: House, people: People, speaker: Speaker) -> None:
    house.start()
    speaker.says[IN_USE] = NO_ANSWER
    house.ask(people.ben)
    speaker.says |= {IN_USE: f"{BASE} [1].", CANDIDATE: NO_ANSWER}
    work_shadows()
    house.ask(people.ben)
    speaker.says[CANDIDATE] = f"{CANARY} [1]."
    work_shadows()

    found = list(TrialAnswer.objects.values_list("was_answered", "is_answered"))
    assert found == [(False, False), (True, True)]
    assert "Only what is in use answered: 0. Only this version: 0. Neither: 1." in house.page()


def test_an_unseen_answer_gives_way_to_people_and_waits_while_the_model_has_no_time(
    house: House, people: People, speaker: Speaker
) -> None:
    house.start()
    house.ask(people.ben)
    waiting = create_answer(user=people.cy, question="And now?")

    assert work_shadows() == 0

    Answer.objects.filter(pk=waiting.pk).update(state=AnswerState.STOPPED)

    def busy(adapter: str) -> None:
        raise SpecialistError("model_busy", "The language model is busy.")

    speaker.before = busy
    assert [work_shadows() for _ in range(4)] == [1] * 4
    assert TrialAnswer.objects.get().state == "queued"
    speaker.before = lambda adapter: None
    work_shadows()
    assert TrialAnswer.objects.get().state == "done"


def test_what_nobody_has_time_for_is_dropped_and_counted(house: House, people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taking, "MOST_WAITING", 2)
    house.start()
    for _ in range(3):
        house.ask(people.ben)
    assert (TrialAnswer.objects.count(), Trial.objects.get().dropped) == (2, 1)

    TrialAnswer.objects.update(created_at=timezone.now() - shadowing.STALE - timedelta(seconds=1))
    work_shadows()
    assert (TrialAnswer.objects.count(), Trial.objects.get().dropped) == (0, 3)
    assert "3 dropped" in house.page()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", ["shadow", "people"])
def test_a_trial_has_as_many_answers_as_were_wanted_however_many_are_counted_at_once(
    house: House, people: People, kind: str
) -> None:
    answers = [house.ask(people.ben) for _ in range(8)]  # before there is a trial
    house.start(kind=kind, most_answers="3", reason="It was never judged.")
    trial = Trial.objects.get()
    choice = taking.Choice(CANDIDATE if kind == "people" else IN_USE, trial, is_candidate=kind == "people")
    use = Use(SPECIALIST, TierUse.Outcome.ANSWERED, 10.0, 0.1, decision={"adapter": choice.adapter})
    together = threading.Barrier(len(answers))

    def count(answer: Answer) -> None:
        together.wait(30)
        taking.keep_answer(answer, choice, use)
        connection.close()

    with ThreadPoolExecutor(len(answers)) as pool:
        list(pool.map(count, answers))

    assert TrialAnswer.objects.count() == 3
    while work_shadows():
        pass
    trial.refresh_from_db()
    assert (trial.answers.filter(state="done").count(), trial.ended_because) == (3, "As many answers as were wanted are there.")


def test_an_error_of_the_candidate_is_told_on_its_page_and_costs_no_answer(
    house: House, people: People, speaker: Speaker
) -> None:
    house.start()
    del speaker.says[CANDIDATE]

    assert house.says(people.ben) == (f"{BASE}.", IN_USE)
    work_shadows()

    page = house.page()
    assert "1 failed" in page and "The language model does not have this version." in page


def test_a_worker_that_dies_leaves_its_answer_to_the_next_at_most_three_times(house: House, people: People) -> None:
    house.start()
    house.ask(people.ben)
    row = TrialAnswer.objects.get()
    for _ in range(shadowing.MOST_ATTEMPTS):
        assert shadowing._claim() is not None
        assert shadowing._claim() is None, "it is held"
        TrialAnswer.objects.filter(pk=row.pk).update(lease_until=timezone.now() - timedelta(seconds=1))

    assert work_shadows() == 0
    assert (TrialAnswer.objects.count(), Trial.objects.get().dropped) == (0, 1)


# --- Seen -------------------------------------------------------------------------------------------------------------


def test_a_group_is_answered_by_the_candidate_as_far_as_its_people_are_in_the_audience(house: House, people: People) -> None:
    house.start(kind="group", group=str(people.engineering.pk))

    assert house.says(people.ben) == (f"{BASE}.", IN_USE), "not in the group"
    assert house.says(people.cy) == (f"{BASE}.", IN_USE), "in the group, and not in the audience"
    people.cy.groups.add(people.sales)
    row = house.ask(people.cy)
    assert (row.text, row.model, row.refusal["adapter"]) == (f"{CANARY}.", "house + policies-v2", CANDIDATE)
    assert TierUse.objects.get(answer=row).decision["adapter"] == CANDIDATE

    Feedback.objects.create(answer=row, user=people.cy, verdict=Feedback.Verdict.HELPFUL)
    assert list(TrialAnswer.objects.values_list("answer__conversation__user__username", "is_candidate")) == [
        ("ben", False), ("cy", True)
    ]  # fmt: skip
    assert "100 % of 1" in house.page()


def test_a_share_of_the_people_is_answered_by_the_candidate_and_each_always_by_the_same(house: House, people: People) -> None:
    house.start(kind="people", share="50")
    trial = Trial.objects.get()
    staff = [User.objects.create_user(f"person{number}") for number in range(4)]
    for person in staff:
        person.groups.add(people.sales)

    wanted = [CANDIDATE if taking.is_drawn(trial, person.pk) else IN_USE for person in staff]
    assert [house.says(person)[1] for person in staff * 2] == wanted * 2
    assert 450 < sum(taking.is_drawn(trial, number) for number in range(1000)) < 550


def test_a_candidate_that_is_stopped_while_it_writes_leaves_no_word(house: House, people: People, speaker: Speaker) -> None:
    house.start(kind="people")
    stop = f"/manage/specialists/policies/versions/{house.candidate.number}/trial/stop"

    speaker.before = lambda adapter: house.ada.post(stop)
    row = house.ask(people.ben)

    assert row.route != "specialist" and CANARY not in row.text
    assert house.says(people.ben) == (f"{BASE}.", IN_USE)
    assert "Stopped by Ada Moreau." in house.page()


def test_against_the_verdict_people_see_a_candidate_with_a_reason_only(house: House, people: People) -> None:
    SpecialistVersion.objects.filter(pk=house.candidate.pk).update(is_better=False)

    assert "Say why people are to see its answers nevertheless" in house.start(kind="people")
    assert not Trial.objects.exists()
    assert "Version 2 is being tried" in house.start(), "unseen it harms nobody"
    house.ada.post("/manage/specialists/policies/versions/2/trial/stop")
    house.start(kind="people", reason="Sales asked for it.")

    assert house.says(people.ben)[1] == CANDIDATE
    assert house.candidate.changes.first().reason == "Sales asked for it."


def test_no_golden_run_is_in_a_trial(house: House, people: People) -> None:
    house.start(kind="people")
    row = create_answer(user=people.ben, question=QUESTION, manner=Manner(is_internal=True))
    Answer.objects.filter(pk=row.pk).update(state=AnswerState.ANSWERING)
    list(answering.answer(row))

    row.refresh_from_db()
    assert row.refusal["adapter"] == IN_USE
    assert not TrialAnswer.objects.exists()


# --- Its end ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("act", ["promote", "roll-back", "delete", "enough"])
def test_a_trial_ends_by_itself(house: House, people: People, act: str) -> None:
    house.start(kind="people", most_answers="1")
    url = "/manage/specialists/policies/versions"
    if act == "promote":
        house.ada.post(f"{url}/2/promote")
    elif act == "roll-back":
        house.ada.post(f"{url}/1/roll-back")
    elif act == "delete":
        delete_document(document=house.closed)
    else:
        house.ask(people.ben)
    work_shadows()

    trial = Trial.objects.get()
    assert trial.ended_at is not None
    assert trial.ended_because == {
        "promote": "Version 2 was put into use.", "roll-back": "Version 1 was rolled back.",
        "delete": "A document that it was trained on was deleted.", "enough": "As many answers as were wanted are there.",
    }[act]  # fmt: skip
    assert house.says(people.ben)[1] == {"promote": CANDIDATE, "roll-back": "", "delete": IN_USE, "enough": IN_USE}[act]


def test_one_version_of_a_specialist_is_tried_at_a_time(house: House) -> None:
    third = make_version(house.version.specialist, house.open, incumbent=house.version)
    house.start()

    page = house.ada.post(
        f"/manage/specialists/policies/versions/{third.number}/trial/start", {"kind": "shadow", "most_answers": "5"}, follow=True
    ).content.decode()

    assert "A version of this specialist is being tried. Stop that trial first." in page
    assert "Only a candidate" in _start_anew(house, VersionState.PROMOTED)


def _start_anew(house: House, state: str) -> str:
    house.ada.post("/manage/specialists/policies/versions/2/trial/stop")
    SpecialistVersion.objects.filter(pk=house.version.pk).update(state=VersionState.RETIRED)
    SpecialistVersion.objects.filter(pk=house.candidate.pk).update(state=state)
    return house.start()


def test_a_first_version_is_tried_beside_the_base_model(house: House, people: People) -> None:
    house.ada.post("/manage/specialists/policies/versions/1/roll-back")
    house.start()

    assert house.says(people.ben) == (f"{BASE}.", "")
    work_shadows()

    assert TrialAnswer.objects.get().sentences[0]["text"] == f"{CANARY}."
    assert "Base model" in house.page()
