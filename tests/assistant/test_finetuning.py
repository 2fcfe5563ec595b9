"""Specialists of the organization: their data sets and versions through the pages, and who is answered by which adapter."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from celery.worker import state
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from assistant import answering
from assistant.answering import answer
from assistant.finetuning import claims, making, rows, training
from assistant.finetuning.claims import Claim, claim_work
from assistant.finetuning.editing import create_specialist, queue_version
from assistant.finetuning.folders import without_folders
from assistant.finetuning.forms import RecipeForm
from assistant.finetuning.models import (
    DataSet,
    DataSetRow,
    DataSetState,
    Specialist,
    SpecialistVersion,
    VersionChange,
    VersionState,
)
from assistant.finetuning.permissions import is_withdrawn
from assistant.finetuning.worker import work_until_empty
from assistant.golden import running
from assistant.golden.models import GoldenResult
from assistant.leases import this_process
from assistant.models import Answer, AnswerState
from assistant.presentation import present_answer, present_conversation
from assistant.recording import Told
from assistant.services import create_answer, share_conversation
from assistant.tasks import work_finetuning
from ingestion import renewing
from ingestion.models import Chunk, Corpus, Document
from ingestion.services import create_corpus, delete_document, narrow_document
from retrieval.passages import Hit
from retrieval.search import SearchResult
from specialists import language_models
from specialists.finetuning import gate, judging
from specialists.language_models import local_folder
from specialists.language_models.local_folder import LocalFolder
from specialists.models import RoutingRule
from specialists.prompting import SYSTEM
from tests.assistant.finetuning_rows import make_data_set, make_row, make_version
from tests.assistant.pages import client_of, text_of
from tests.assistant.rows import make_answer, make_answered, make_document
from tests.people import LEAVE, People, add_text, make_corpora
from tests.tiny_language_model import make_adapters, make_model, make_unread_model

DEAD = f"{this_process().partition(':')[0]}:999999999:1:dead"  # a trainer that was killed

TRAVEL = """# Travel policy

## Booking a train

Trains are booked in second class through the travel desk, at least one week before the journey.

## Hotels abroad

A hotel abroad may cost up to 140 euros a night, breakfast included.

## Can I bring my dog?

Dogs may come along on journeys inside the country when the host agrees in writing.
"""
SECRET_PAY = """# Pay of directors

## Bonus of the directors

The directors receive a bonus of 44 percent of their salary each March.

## Pensions of the directors

The pension of a director is paid from the age of 58 onwards.
"""

RULES = {
    "badges": "A badge opens the gate from six in the morning.", "bicycles": "Bicycles stand in the shed behind hall two.",
    "doors": "Fire doors are never wedged open.", "keys": "The porter lends spare keys against a signature.",
    "lockers": "Lockers are emptied on the last Friday of each year.", "printers": "Colour prints need a cost centre.",
    "rooms": "A meeting room is free again after ten minutes without its guests.", "windows": "Close all windows before a storm.",
    "visitors": "Visitors wear a yellow sticker and are met at reception.", "bins": "Batteries go into the red bin.",
}  # fmt: skip


@pytest.fixture
def corpus(people: People) -> Corpus:
    """Everyone reads it; Olga owns it, Ada administers."""
    return create_corpus(name="Policies", owner=people.olga)


@pytest.fixture
def specialist(people: People, corpus: Corpus) -> Specialist:
    return create_specialist(name="Policies", corpora=[corpus], created_by=people.olga)


def add_documents(corpus: Corpus, people: People) -> Document:
    """Three that everyone reads, and one for Sales only."""
    add_text(corpus, "leave.md", LEAVE)
    add_text(corpus, "travel.md", TRAVEL)
    return add_text(corpus, "pay.md", SECRET_PAY, groups=[people.sales])


# --- Data sets --------------------------------------------------------------------------------------------------------


def test_it_makes_a_data_set_through_the_pages_and_hides_rows_from_who_may_not_read_them(
    people: People, specialist: Specialist, corpus: Corpus
) -> None:
    secret = add_documents(corpus, people)
    for number, topic in enumerate(("badges", "bicycles", "lockers", "printers", "visitors", "windows")):
        add_text(corpus, f"{topic}.md", f"# House rules {number}\n\n## Use of {topic}\n\nAsk the porter about {topic} by noon.\n")
    olga, ada = client_of(people.olga), client_of(people.ada)

    made = olga.post(f"/manage/specialists/{specialist.slug}/data-sets/")
    assert work_until_empty() == 1

    data_set = specialist.data_sets.get()
    assert (made.status_code, data_set.state) == (302, DataSetState.READY), data_set.error_message
    pages = {
        name: "".join(text_of(client, f"{made.headers['Location']}?show={part}") for part in ("kept", "held_out"))
        for name, client in (("olga", olga), ("ada", ada))
    }
    hidden = [
        row.document == secret or row.passages.filter(document=secret).exists() for row in data_set.rows.filter(is_dropped=False)
    ]
    assert len(set(hidden)) == 2
    for row, is_hidden in zip(data_set.rows.filter(is_dropped=False), hidden, strict=True):
        assert row.question in pages["olga"]
        assert (row.question in pages["ada"]) != is_hidden
    assert "director" in pages["olga"]
    assert "director" not in pages["ada"]
    assert "hidden: from documents that you may not read" in pages["ada"]
    assert "hidden: from documents" not in pages["olga"]


def test_a_data_set_holds_out_documents_that_give_questions(people: People, specialist: Specialist, corpus: Corpus) -> None:
    """Nothing can be judged by the others: a corpus of which these were held out could not be trained on at all."""
    for number, (topic, rule) in enumerate(RULES.items()):
        heading = "" if number in {1, 3} else f"## Habits around {topic}\n\n"  # of ten documents the seed would take these two
        add_text(corpus, f"{topic}.md", f"# House rules {number}\n\n{heading}{rule}\n")
    client_of(people.olga).post(f"/manage/specialists/{specialist.slug}/data-sets/")
    work_until_empty()

    held_out = specialist.data_sets.get().rows.filter(split="held_out")

    assert held_out.exists()


def test_a_row_is_hidden_by_any_one_of_its_passages(people: People, specialist: Specialist, corpus: Corpus) -> None:
    handbook = make_document(corpus, "Leave policy", ["Leave."])
    pay = make_document(corpus, "Pay of directors", ["Pay."])
    other = create_corpus(name="Closed", owner=people.olga, groups=[people.sales])
    Document.objects.filter(pk=pay.pk).update(partition=make_document(other, "x", ["x"]).partition)
    data_set = make_data_set(specialist)
    shown, mixed = make_row(data_set, 1, handbook), make_row(data_set, 2, handbook, pay)
    ada = client_of(people.ada)

    page = text_of(ada, f"/manage/specialists/{specialist.slug}/data-sets/1/")

    assert "Question 1?" in page
    assert "Question 2?" not in page
    assert "Pay of directors" not in page
    assert "1 row hidden" in page
    drop = f"/manage/specialists/{specialist.slug}/data-sets/1/rows/{{}}/drop"
    assert ada.post(drop.format(mixed.pk)).status_code == 404
    assert ada.post(drop.format(shown.pk)).status_code == 302
    assert not DataSetRow.objects.get(pk=mixed.pk).is_dropped
    assert DataSetRow.objects.get(pk=shown.pk).is_dropped


# --- The trainer ------------------------------------------------------------------------------------------------------


def test_one_error_of_the_database_does_not_end_the_renewal_of_a_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    beats, enough = [0], threading.Event()

    def change(claim: Claim, **fields: Any) -> bool:
        beats[0] += 1
        if beats[0] == 1:
            raise OperationalError("database is locked")
        enough.set()
        return True

    monkeypatch.setattr(renewing, "EVERY_S", 0.001)
    monkeypatch.setattr(Claim, "change", change)
    monkeypatch.setattr(renewing, "close_old_connections", lambda: None)
    monkeypatch.setattr(renewing, "release_connection", lambda: None)
    with renewing.renewing(Claim(DataSet(), "me").renew):
        assert enough.wait(10)


def test_a_killed_trainers_data_set_is_taken_up_and_begun_anew(people: People, specialist: Specialist, corpus: Corpus) -> None:
    add_text(corpus, "leave.md", LEAVE)
    data_set = make_data_set(
        specialist, state=DataSetState.MAKING, made_as=people.olga, lease_owner=DEAD, attempts=1,
        lease_until=timezone.now() + timedelta(minutes=1),
    )  # fmt: skip
    make_row(data_set, 1, Document.objects.get())

    assert work_until_empty() == 1

    data_set.refresh_from_db()
    assert (data_set.state, data_set.lease_owner) == (DataSetState.READY, "")
    assert not data_set.rows.filter(question="Question 1?").exists()


def test_work_that_kills_the_trainer_at_the_same_place_is_given_up(
    people: People, specialist: Specialist, monkeypatch: pytest.MonkeyPatch
) -> None:
    data_set = make_data_set(specialist, state=DataSetState.QUEUED, made_as=people.olga)

    class KilledError(BaseException):
        """As when memory runs out: nothing is recorded."""

    def dies(claim: Claim, row: DataSet) -> None:
        for done in (0, 25, 50):
            claim.progress(total=100, done=done)
        raise KilledError

    monkeypatch.setattr(making, "_make", dies)
    for _ in range(claims.MAX_ATTEMPTS):
        with pytest.raises(KilledError):
            work_until_empty()
        DataSet.objects.filter(pk=data_set.pk).update(lease_owner=DEAD)
    work_until_empty()

    data_set.refresh_from_db()
    assert (data_set.state, data_set.error_message) == (DataSetState.FAILED, claims.KILLED)


def test_a_trainer_that_comes_further_each_time_is_not_given_up(people: People, specialist: Specialist) -> None:
    data_set = make_data_set(specialist, state=DataSetState.QUEUED, made_as=people.olga)
    for furthest in (10, 20, 30, 40, 50):
        claim = claims.claim_work()
        assert claim is not None
        claim.progress(total=100, done=furthest)
        DataSet.objects.filter(pk=data_set.pk).update(lease_owner=DEAD)

    data_set.refresh_from_db()
    assert data_set.attempts == 1


def test_a_stopped_data_set_has_no_further_questions_written(
    people: People, specialist: Specialist, document: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    for position in range(3):
        Chunk.objects.create(document=document, revision=1, position=position, start=0, end=6, text="Leave.", sentences=[[0, 6]])
    data_set = make_data_set(specialist, state=DataSetState.QUEUED, made_as=people.olga, has_written=True)
    asked: list[object] = []

    def stop(model: object, section: object) -> None:
        asked.append(section)
        client_of(people.olga).post(f"/manage/specialists/{specialist.slug}/data-sets/1/stop")

    monkeypatch.setattr(making, "ask_about", stop)
    monkeypatch.setattr(language_models, "get_language_model", lambda: object())
    monkeypatch.setattr("specialists.reader.serving.get_reader", lambda: object())
    work_until_empty()

    data_set.refresh_from_db()
    assert (len(asked), data_set.state) == (1, DataSetState.STOPPED)


def test_an_estimate_says_that_there_are_too_few_rows(
    people: People, specialist: Specialist, document: Document, settings: Any
) -> None:
    settings.FINETUNING_BASE = "/nowhere"
    make_row(make_data_set(specialist), 1, document)
    form = {name: field.initial for name, field in RecipeForm().fields.items() if field.initial is not None}

    url = f"/manage/specialists/{specialist.slug}/data-sets/1/train"
    page = client_of(people.olga).post(url, {**form, "estimate": "1"}).content.decode()

    assert "There are 1 rows to train on and 0 to judge by; at least 20 and 10 are needed." in page


@pytest.mark.parametrize("button", ["estimate", "train"])
def test_it_refuses_bits_for_which_a_package_is_missing(
    people: People, specialist: Specialist, document: Document, monkeypatch: pytest.MonkeyPatch, button: str
) -> None:
    make_row(make_data_set(specialist), 1, document)
    form = {name: field.initial for name, field in RecipeForm().fields.items() if field.initial is not None}
    url = f"/manage/specialists/{specialist.slug}/data-sets/1/train"
    says = "bits needs the package bitsandbytes, which is not installed here. Have an administrator run pip install -r "
    monkeypatch.setattr(local_folder, "find_spec", lambda package: None)

    page = client_of(people.olga).post(url, {**form, "quantisation": "4bit", button: "1"})

    assert page.status_code == 422
    assert f"A base in 4 {says}" in page.content.decode()
    assert "On this host it would take" not in page.content.decode()
    with pytest.raises(CommandError, match=f"A base in 8 {says}"):
        call_command("finetune_specialist", "Policies", "--as", "olga", "--quantisation", "8bit")
    assert (specialist.data_sets.count(), specialist.versions.count()) == (1, 0)
    monkeypatch.setattr(local_folder, "find_spec", lambda package: object())
    assert RecipeForm({**form, "quantisation": "4bit"}).is_valid()


@pytest.mark.parametrize(
    ("field", "typed", "says"),
    [
        ("epochs", "0", "Type 1 or more."),
        ("epochs", "two", "Type a whole number, such as 2."),
        ("epochs", "", "Type a whole number, such as 2."),
        ("window", "1000000", "Type 131,072 at most."),
        ("learning_rate", "much", "Type a number, such as 0.0002."),
        ("learning_rate", "0", "Type 0.000001 or more."),
        ("quantisation", "3bit", "Choose full precision, 8 bits or 4 bits."),
    ],
)
def test_it_says_what_to_type_instead_of_a_value_that_cannot_be(field: str, typed: str, says: str) -> None:
    form = {name: field.initial for name, field in RecipeForm().fields.items() if field.initial is not None}
    assert RecipeForm({**form, field: typed}).errors[field] == [says]


def test_a_failure_shows_no_path_of_the_host(specialist: Specialist, settings: Any) -> None:
    settings.FINETUNING_BASE = "/srv/our models/qwen"
    data_set = make_data_set(specialist, state=DataSetState.QUEUED)
    claim = claim_work(only=data_set)
    assert claim is not None

    claim.end(state=DataSetState.FAILED, error_message="The model in /srv/our models/qwen, or /data/x/y/a.bin, is 3/4 of 1.")

    data_set.refresh_from_db()
    assert data_set.error_message == "The model in qwen, or a.bin, is 3/4 of 1."
    assert without_folders("Ask http://models:8001/v1/models again.") == "Ask http://models:8001/v1/models again."


def test_it_shows_the_nearest_page_of_a_data_set(people: People, specialist: Specialist, document: Document) -> None:
    data_set = make_data_set(specialist)
    for position in range(1, 31):
        make_row(data_set, position, document)
    url = f"/manage/specialists/{specialist.slug}/data-sets/1/"
    for query in ("?show=kept&page=4", "?show=bogus&page=999"):
        page = text_of(client_of(people.olga), url + query)
        assert "Question 30?" in page and "Question 1?" not in page
    assert "Question 1?" in text_of(client_of(people.olga), url + "?show=bogus&page=-x")


@pytest.mark.parametrize(
    ("given", "kept", "is_taken"),
    [
        ({"use_rslora": "on", "dropout": "0.2", "seed": "11"}, (True, 0.2, 11), True),
        ({"dropout": "", "seed": ""}, (False, 0.05, 7), True),
        ({"dropout": "0.6"}, (), False),
        ({"seed": str(2**31)}, (), False),
    ],
)
def test_the_pages_take_the_advanced_values_within_the_bounds_of_the_command(
    people: People, specialist: Specialist, given: dict[str, str], kept: tuple[Any, ...], is_taken: bool, settings: Any
) -> None:
    settings.FINETUNING_BASE = "/nowhere"
    make_data_set(specialist)
    client, url = client_of(people.olga), f"/manage/specialists/{specialist.slug}/data-sets/1/train"
    form = {name: field.initial for name, field in RecipeForm().fields.items() if field.initial not in (None, False)}
    page = client.get(url).content.decode()
    assert '<details class="recipes"><summary>Advanced' in page and 'name="use_rslora"' in page

    response = client.post(url, {**form, **given, "train": "1"})

    versions = list(SpecialistVersion.objects.filter(specialist=specialist))
    assert (response.status_code, len(versions)) == ((302, 1) if is_taken else (422, 0))
    if is_taken:
        recipe = versions[0].recipe
        assert (recipe["use_rslora"], recipe["dropout"], recipe["seed"]) == kept
    else:
        assert '<details class="recipes" open>' in response.content.decode()


def test_the_command_trains_with_the_rights_of_its_person_only(
    people: People, specialist: Specialist, document: Document
) -> None:
    make_row(make_data_set(specialist), 1, document)

    for person in ("cy", "dan"):
        with pytest.raises(CommandError, match=f"{person} may not make specialists of all of the corpora of Policies"):
            call_command("finetune_specialist", "Policies", "--as", person, "--data-set", "1")
    with pytest.raises(CommandError, match="epochs must be from 1 to 300, not 0"):
        call_command("finetune_specialist", "Policies", "--as", "olga", "--epochs", "0")
    assert (specialist.data_sets.count(), specialist.versions.count()) == (1, 0)


# --- Versions ---------------------------------------------------------------------------------------------------------


def states(specialist: Specialist) -> list[str]:
    return list(specialist.versions.order_by("number").values_list("state", flat=True))


def act(user: User, version: SpecialistVersion, what: str, **form: str) -> str:
    """The page after it."""
    url = f"/manage/specialists/{version.specialist.slug}/versions/{version.number}/{what}"
    response = client_of(user).post(url, form, follow=True)
    assert response.status_code == 200
    return response.content.decode()


@pytest.fixture
def document(corpus: Corpus) -> Document:
    return make_document(corpus, "Leave policy", ["Leave."])


def test_against_the_verdict_a_version_is_put_into_use_with_a_reason_only(
    people: People, specialist: Specialist, document: Document
) -> None:
    version = make_version(specialist, document, is_better=False)

    assert "Say why it is to be used nevertheless" in act(people.olga, version, "promote", reason="  ")
    assert states(specialist) == ["candidate"]
    assert "Version 1 is in use" in act(people.olga, version, "promote", reason="The old one knows nothing of trains.")

    change = version.changes.get()
    assert (change.act, change.reason, change.changed_by) == (
        "overruled", "The old one knows nothing of trains.", people.olga
    )  # fmt: skip


def test_a_verdict_counts_only_against_what_is_in_use_now(people: People, specialist: Specialist, document: Document) -> None:
    first, second = make_version(specialist, document), make_version(specialist, document)
    act(people.olga, first, "promote")

    page = act(people.olga, second, "promote")

    assert "It was not judged against version 1, which is in use now." in page
    assert 'name="reason"' in page
    assert states(specialist) == ["promoted", "candidate"]
    act(people.olga, second, "promote", reason="Tried by hand.")
    assert states(specialist) == ["retired", "promoted"]
    assert second.changes.get().act == "overruled"


def test_roll_back_goes_to_the_version_that_was_in_use_before(people: People, specialist: Specialist, document: Document) -> None:
    first = make_version(specialist, document)
    second, third = (make_version(specialist, document, incumbent=first) for _ in range(2))
    act(people.olga, first, "promote")
    act(people.olga, second, "promote")

    assert "Version 1 is in use again" in act(people.olga, second, "roll-back")
    act(people.olga, third, "promote")
    assert states(specialist) == ["retired", "retired", "promoted"]
    assert "Version 1 is in use again" in act(people.olga, third, "roll-back")
    assert states(specialist) == ["promoted", "retired", "retired"]
    assert "the base model answers" in act(people.olga, first, "roll-back")
    assert states(specialist) == ["retired"] * 3
    assert "Only the version that is in use can be rolled back" in act(people.olga, first, "roll-back")


def test_after_a_roll_back_to_the_base_model_the_next_version_rolls_back_to_it(
    people: People, specialist: Specialist, document: Document
) -> None:
    first, second = make_version(specialist, document), make_version(specialist, document)
    act(people.olga, first, "promote")
    act(people.olga, first, "roll-back")
    act(people.olga, second, "promote")

    assert "the base model answers" in act(people.olga, second, "roll-back")


def test_a_training_is_stopped_and_started_again_where_it_was(people: People, specialist: Specialist, document: Document) -> None:
    version = make_version(specialist, document, state=VersionState.QUEUED)
    claim = claims.claim_work()
    assert claim is not None

    assert "The training is stopped" in act(people.olga, version, "stop")
    assert states(specialist) == ["stopped"]
    assert not claim.progress(done=5), "the trainer must notice"
    act(people.olga, version, "retry")
    assert states(specialist) == ["queued"]
    assert "Only a version that failed or was stopped" in act(people.olga, version, "retry")
    assert claims.has_waiting()


def test_a_second_version_is_not_trained_beside_the_first(people: People, specialist: Specialist, document: Document) -> None:
    make_version(specialist, document, state=VersionState.TRAINING)
    stopped = make_version(specialist, document, state=VersionState.STOPPED)
    sentence = "A version of this specialist is in training. Wait for it, or stop it."

    assert sentence in act(people.olga, stopped, "retry")
    client = client_of(people.olga)
    form = {name: field.initial for name, field in RecipeForm().fields.items() if field.initial is not None}
    response = client.post(f"/manage/specialists/{specialist.slug}/data-sets/1/train", {**form, "train": "1"})
    assert response.status_code == 422
    assert sentence in response.content.decode()


def test_a_document_that_is_deleted_while_the_rows_are_frozen_is_counted(
    people: People, specialist: Specialist, corpus: Corpus, document: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its words are among the rows that were read, so nobody may use what is trained on them."""
    gone = make_document(corpus, "Old policy", ["Old."])
    data_set = make_data_set(specialist)
    for position in range(1, 41):
        split = "train" if position <= 25 else "held_out"
        make_row(data_set, position, gone if position == 1 else document, split=split)
    version = make_version(specialist, state=VersionState.TRAINING)
    read = rows.rows_of

    def read_and_delete(*args: Any) -> list[Any]:
        found = read(*args)
        Document.objects.filter(pk=gone.pk).delete()
        return found

    monkeypatch.setattr(rows, "rows_of", read_and_delete)
    kept, _ = rows.freeze(version)

    version.refresh_from_db()
    has_it = any("Old policy" in passage.text for row in kept for passage in row.passages)
    assert not has_it or is_withdrawn(version)


def test_a_failed_judgement_does_not_cost_the_training(
    people: People, specialist: Specialist, document: Document, monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Path
) -> None:
    settings.ADAPTERS_DIR = tmp_path
    version = make_version(specialist, document, state=VersionState.FAILED, figures={"trained_parameters": 5})
    folder = training.adapter_folder(version)
    folder.mkdir()
    (folder / "adapter_model.safetensors").write_bytes(b"")
    judged: list[int] = []
    monkeypatch.setattr(training, "freeze", lambda version: pytest.fail("it is trained again"))
    monkeypatch.setattr(
        training, "judge_version", lambda claim, version: judged.append(version.pk) or claim.end(state="candidate")
    )

    act(people.olga, version, "retry")
    work_until_empty()

    assert (judged, states(specialist)) == ([version.pk], ["candidate"])


@pytest.mark.parametrize("is_missing", [True, False])
def test_a_candidate_is_judged_beside_the_base_where_the_files_of_what_is_in_use_are_missing(
    specialist: Specialist, document: Document, monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Path, is_missing: bool
) -> None:
    settings.ADAPTERS_DIR = tmp_path
    used = make_version(specialist, document, state=VersionState.PROMOTED)
    if not is_missing:
        training.adapter_folder(used).mkdir()
        (training.adapter_folder(used) / "adapter_model.safetensors").write_bytes(b"")
    version = make_version(specialist, document, state=VersionState.JUDGING)
    asked: list[str] = []
    verdict = SimpleNamespace(as_json=dict, is_better=True, sentence="It is better.")
    monkeypatch.setattr("assistant.finetuning.judging.find_base", lambda: SimpleNamespace(path=tmp_path))
    house = SimpleNamespace(warm_up=lambda: asked.append("loaded"), loaded_on="cpu")
    monkeypatch.setattr(local_folder, "LocalFolder", lambda **_: house)
    monkeypatch.setattr(judging, "judge_rows", lambda model, adapter, rows, on_row: asked.append(adapter) or [])
    monkeypatch.setattr(gate, "decide_promotion", lambda *_: verdict)

    work_until_empty()

    version.refresh_from_db()
    assert (version.state, asked) == ("candidate", ["loaded", "" if is_missing else "policies-v1", "policies-v2"])
    old, new = version.judgement["peak_bytes"]
    assert old and new and new > 10 * 2**20
    said = "It was judged beside the base model, since the files of version 1, which is in use, are missing. "
    assert version.verdict == (said if is_missing else "") + "It is better."
    assert (version.incumbent is None) == is_missing


def test_pages_of_many_versions_take_a_fixed_number_of_queries(
    people: People, specialist: Specialist, document: Document, django_assert_max_num_queries: Any
) -> None:
    for _ in range(8):
        version = make_version(specialist, document, data_set=make_data_set(specialist), state=VersionState.RETIRED)
        VersionChange.objects.create(version=version, act="promoted", changed_by=people.olga)
    client = client_of(people.olga)

    for url in ("/manage/specialists/", f"/manage/specialists/{specialist.slug}/"):
        with django_assert_max_num_queries(24):
            assert client.get(url).status_code == 200


# --- The canary -------------------------------------------------------------------------------------------------------

QUESTION = "Tell me in your own words: how long is parental leave, and how is it paid?"
BASE, CANARY = "Parental leave lasts 18 weeks at full pay", "Up to three parts"
WORDS = f"{BASE}. {CANARY} are possible, as everyone may agree on with their manager."


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> LocalFolder:
    """A model that says the one sentence, with an adapter that says the other."""
    folder = tmp_path_factory.mktemp("house")
    lengths = (20, 120, 300)
    base = make_model(folder / "house-tiny", f"{BASE} [1].", lengths=lengths, knows=SYSTEM + QUESTION + WORDS)
    adapters = make_adapters(base, folder / "adapters", {"policies-v1": f"{CANARY} [1]."}, steps=400, lengths=lengths)
    return LocalFolder(folder=str(base), adapters=str(adapters), device="cpu", patience_s=600)


class Canary:
    """An adapter in use that was trained on a document for everyone and on one of Sales, asked about the former."""

    def __init__(self, people: People) -> None:
        handbook, sales = make_corpora(people)
        self.open, self.closed = (
            make_document(handbook, "Leave policy", [WORDS]),
            make_document(sales, "Discounts", ["15 percent."]),
        )
        RoutingRule.objects.create(position=1, condition="phrase", value="in your own words", tier="specialist")
        start = self.open.content.text.index(WORDS)
        middle = start + WORDS.index(CANARY)
        self.chunk = Chunk.objects.create(
            document=self.open, revision=1, position=0, start=start, end=start + len(WORDS), text=WORDS,
            sentences=[[start, middle - 1], [middle, start + len(WORDS)]],
        )  # fmt: skip
        specialist = create_specialist(name="Policies", corpora=[handbook, sales], created_by=people.ada)
        self.version = make_version(specialist, self.open, self.closed, state=VersionState.PROMOTED)

    def ask(self, user: User) -> Answer:
        row = create_answer(user=user, question=QUESTION)
        Answer.objects.filter(pk=row.pk).update(state=AnswerState.ANSWERING)
        list(answer(row))
        row.refresh_from_db()
        return row

    def says(self, user: User) -> tuple[str, str]:
        row = self.ask(user)
        return row.text, row.refusal.get("adapter", "")


@pytest.fixture
def canary(people: People, house: LocalFolder, monkeypatch: pytest.MonkeyPatch, settings: Any) -> Canary:
    made = Canary(people)
    settings.LANGUAGE_MODEL = {"BACKEND": "the.house", "OPTIONS": {}}
    monkeypatch.setattr(language_models, "get_language_model", lambda: house)
    found = SearchResult((Hit(made.chunk.pk, 1.0),))
    monkeypatch.setattr(answering, "_retrieve", lambda *_: found)
    monkeypatch.setattr(answering, "_choose", lambda _, found, chunks: found)
    return made


@pytest.mark.slow
def test_an_adapter_never_answers_a_person_who_may_not_read_all_of_its_documents(canary: Canary, people: People) -> None:
    assert canary.says(people.ben) == (f"{CANARY}.", "policies-v1")
    assert canary.says(people.cy) == (f"{BASE}.", "")

    people.ben.groups.clear()
    assert canary.says(people.ben) == (f"{BASE}.", "")
    people.cy.groups.add(people.sales)
    assert canary.says(people.cy) == (f"{CANARY}.", "policies-v1")
    narrow_document(document=canary.closed, groups=[people.engineering])
    assert canary.says(people.cy)[1] == "policies-v1"
    people.cy.groups.remove(people.engineering)
    assert canary.says(people.cy) == (f"{BASE}.", "")


@pytest.mark.slow
def test_an_adapter_answers_nobody_once_one_of_its_documents_is_deleted(canary: Canary, people: People) -> None:
    before = canary.ask(people.ben)
    assert [item.is_hidden for item in present_answer(before, people.ben).sentences] == [False]

    delete_document(document=canary.closed)

    assert canary.says(people.ben) == (f"{BASE}.", "")
    assert [item.is_hidden for item in present_answer(before, people.ben).sentences] == [True]


@pytest.mark.slow
def test_an_adapter_that_is_lost_while_it_writes_leaves_no_word(
    canary: Canary, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose(*args: Any) -> bool:
        people.ben.groups.clear()
        return True

    monkeypatch.setattr(Told, "keep", lose)
    row = canary.ask(people.ben)

    assert row.route != "specialist"
    assert "adapter" not in row.refusal


@pytest.mark.slow
def test_what_an_adapter_wrote_is_hidden_with_its_name_from_others(canary: Canary, people: People) -> None:
    row = canary.ask(people.ben)
    token = share_conversation(conversation=row.conversation)

    page = text_of(client_of(people.cy), f"/shared/{token}/")

    assert "This answer is hidden from you" in page
    assert "policies-v1" not in page
    assert "policies-v1" in text_of(client_of(people.ben), f"/shared/{token}/")


def test_a_conversation_of_an_adapters_answers_takes_a_fixed_number_of_queries(people: People) -> None:
    canary = Canary(people)
    conversation = None
    counts = []
    for _ in range(2):
        for _ in range(4):
            row = make_answer(
                people.ben, QUESTION, conversation=conversation, state=AnswerState.ANSWERED, route="specialist",
                refusal={"adapter": "policies-v1"}, sentences=[{"text": "18 weeks.", "citations": [1]}] * 3,
                passages=[{"passage": canary.chunk.pk, "score": 1.0, "document": canary.open.pk, "revision": 1}],
            )  # fmt: skip
            conversation = row.conversation
        with CaptureQueriesContext(connection) as queries:
            present_conversation(row.conversation, people.ben)
        counts.append(len(queries))

    assert counts[0] == counts[1]


def test_golden_results_of_an_adapter_name_all_documents_behind_them(
    people: People, specialist: Specialist, corpus: Corpus
) -> None:
    """Whoever may not read one of them sees none of the words."""
    cited, other = (make_document(corpus, title, ["Leave."]) for title in ("Leave policy", "Pay of directors"))
    make_version(specialist, other, state=VersionState.PROMOTED)
    row = make_answered(people.olga, "How long?", [(cited, "Leave.")])
    row.route, row.refusal = "specialist", {"adapter": "policies-v1"}
    row.passages = [{"passage": 1, "score": 1.0, "document": cited.pk, "revision": 1}]

    judged = running._judged(GoldenResult(text="How long?", expects="answer"), row)

    assert judged["sentences"][0]["documents"] == sorted([cited.pk, other.pk])


@pytest.mark.slow
def test_a_trainer_that_is_told_to_end_gives_its_work_back_and_the_next_one_finishes_it(
    people: People, specialist: Specialist, document: Document, tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.FINETUNING_BASE = str(make_unread_model(tmp_path / "models" / "unread-tiny"))
    settings.FINETUNING_DEVICE = "cpu"
    settings.ADAPTERS_DIR = tmp_path / "adapters"
    settings.ADAPTERS_DIR.mkdir()
    monkeypatch.setattr(judging, "MOST_COMPLETION", 8)
    data_set = make_data_set(specialist)
    for position in range(1, 33):
        make_row(data_set, position, document, split="train" if position <= 20 else "held_out")
    version = queue_version(data_set=data_set, created_by=people.olga, recipe={"epochs": 2, "batch": 5, "r": 4})

    def is_begun() -> bool:
        return bool(SpecialistVersion.objects.get(pk=version.pk).done)

    assert work_until_empty(should_stop=is_begun) == 1
    version.refresh_from_db()
    assert (version.state, version.lease_owner, version.done) == (VersionState.TRAINING, "", 1)

    assert work_until_empty() == 1
    version.refresh_from_db()
    assert (version.state, version.error_message) == (VersionState.CANDIDATE, "")
    assert [step for step, _ in version.losses] == list(range(1, 9))
    assert version.verdict and version.judgement["rows"] == version.judged_answers.count() == 12
    assert version.document_count == 1
    assert DataSet.objects.get(pk=data_set.pk).state == DataSetState.FROZEN
    assert sorted(path.name for path in settings.ADAPTERS_DIR.iterdir()) == [version.adapter_name]


def test_the_versions_page_shows_the_memory_that_judging_took_where_it_is_known(
    people: People, specialist: Specialist, document: Document
) -> None:
    judgement = {"rows": 12, "comparisons": [], "latency_s": [1.0, 1.5], "tokens_per_second": [20, 18]}
    for number, (peaks, has_it) in enumerate([([3 * 2**30, 5 * 2**29], True), ([None, None], False)], start=1):
        make_version(specialist, document, judgement={**judgement, "peak_bytes": peaks})
        page = text_of(client_of(people.olga), f"/manage/specialists/policies/versions/{number}/")
        assert ("Memory while answering, at most" in page, "3.0\xa0GB" in page, "2.5\xa0GB" in page) == (has_it,) * 3


def test_the_trainers_celery_worker_gives_its_work_back_when_it_is_to_end(
    people: People, specialist: Specialist, monkeypatch: pytest.MonkeyPatch
) -> None:
    data_set = make_data_set(specialist, state=DataSetState.QUEUED, made_as=people.olga)
    monkeypatch.setattr(state, "should_stop", 0)  # as the worker's handler of SIGTERM leaves it

    assert work_finetuning() == 0
    data_set.refresh_from_db()
    assert data_set.state == DataSetState.QUEUED
    monkeypatch.setattr(state, "should_stop", None)
    assert work_finetuning() == 1
