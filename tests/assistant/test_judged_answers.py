"""The answers behind a verdict, side by side, and the judge model's part in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from assistant.finetuning.editing import create_specialist, queue_version
from assistant.finetuning.models import JudgedAnswer, Specialist, SpecialistVersion, VersionState
from assistant.finetuning.worker import work_until_empty
from ingestion.models import Document
from ingestion.services import create_corpus
from specialists.citing import CitedSentence
from specialists.finetuning import judging
from tests.assistant.finetuning_rows import make_data_set, make_row, make_version
from tests.assistant.pages import client_of, text_of
from tests.assistant.rows import make_document
from tests.model_server import Reply, model_server
from tests.people import People
from tests.tiny_language_model import make_unread_model

pytestmark = pytest.mark.django_db(transaction=True)
URL = "/manage/specialists/policies/versions/{}/"


@pytest.fixture
def documents(people: People) -> list[Document]:
    corpus = create_corpus(name="Handbook", owner=people.olga)
    return [make_document(corpus, title, [f"{title}."]) for title in ("Leave policy", "Travel policy")]


@pytest.fixture
def specialist(people: People, documents: list[Document]) -> Specialist:
    return create_specialist(name="Policies", description="", corpora=[documents[0].corpus], created_by=people.olga)


@pytest.fixture
def version(specialist: Specialist, documents: list[Document]) -> SpecialistVersion:
    """Judged by three rows: better in the first, worse in the second, both refused the third, which is of the other document."""
    version = make_version(specialist, documents[0], judgement={"comparisons": [], "incumbent": "", "rows": 3})
    scores = [(0.2, 1.0, "It is eighteen."), (0.9, 0.4, "It is twelve."), (0.0, 0.0, "NO ANSWER")]
    for number, (old, new, text) in enumerate(scores, start=1):
        row = make_row(version.data_set, number, documents[number == 3], split="held_out")
        JudgedAnswer.objects.create(
            version=version, row=row, incumbent_text=f"Old {number}.", candidate_text=text, incumbent_score=old,
            candidate_score=new, is_planted=number == 2,
        )  # fmt: skip
    return version


def read(user: User, show: str = "all") -> str:
    return text_of(client_of(user), f"{URL.format(1)}answers/?show={show}")


def test_it_shows_both_answers_with_the_right_one(people: People, version: SpecialistVersion) -> None:
    assert "Read the answers side by side" in text_of(client_of(people.olga), URL.format(1))
    page = read(people.olga)
    for words in ("Question 1?", "Answer 1.", "Old 1.", "It is eighteen.", "Old 3.", "All <b>3</b>", "Better <b>1</b>"):
        assert words in page
    better, worse, planted = (read(people.olga, show) for show in ("better", "worse", "planted"))
    assert "It is eighteen." in better and "It is twelve." not in better
    assert "It is twelve." in worse and "It is eighteen." not in worse
    assert "It is twelve." in planted and "planted instruction" in planted
    assert client_of(people.olga).get(f"{URL.format(1)}answers/?show=most").status_code == 404


def test_it_hides_answers_of_rows_that_the_reader_may_not_read(
    people: People, version: SpecialistVersion, documents: list[Document]
) -> None:
    closed = make_document(create_corpus(name="Closed", owner=people.olga, groups=[people.sales]), "x", ["x"])
    Document.objects.filter(pk=documents[1].pk).update(partition=closed.partition)
    for user, is_hidden in ((people.olga, False), (people.ada, True)):
        page = read(user)
        assert ("Old 3." in page, "Old 1." in page, "1 answer hidden" in page) == (not is_hidden, True, is_hidden)
    documents[1].delete()
    assert "Old 3." not in read(people.olga)


def test_it_hides_all_answers_once_a_document_behind_one_of_the_two_is_gone(
    people: People, version: SpecialistVersion, documents: list[Document]
) -> None:
    incumbent = make_version(version.specialist, documents[1], state=VersionState.RETIRED)
    version.judgement["incumbent"] = incumbent.adapter_name
    version.save()
    assert "Old 1." in read(people.olga)
    documents[1].delete()
    page = read(people.olga)
    assert "Old 1." not in page and "It is eighteen." not in page and "hidden" in page


@pytest.mark.parametrize("is_sound", [True, False])
def test_it_asks_the_judge_model_and_goes_on_without_one_that_fails(
    is_sound: bool, people: People, specialist: Specialist, documents: list[Document], tmp_path: Path, settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    settings.FINETUNING_BASE = str(make_unread_model(tmp_path / "models" / "unread-tiny"))
    settings.FINETUNING_DEVICE = "cpu"
    settings.ADAPTERS_DIR = tmp_path / "adapters"
    settings.ADAPTERS_DIR.mkdir()
    monkeypatch.setattr(judging, "MOST_COMPLETION", 4)
    data_set = make_data_set(specialist)
    for position in range(1, 31):
        make_row(data_set, position, documents[0], split="train" if position <= 20 else "held_out")
    queue_version(data_set=data_set, created_by=people.olga, recipe={"epochs": 1, "batch": 20, "r": 4})

    # What an untrained model writes is no sentence, and nobody would be asked about it.
    monkeypatch.setattr(judging.SentenceParser, "close", lambda parser: [CitedSentence("It is so.", ())])
    with model_server(lambda _: Reply(["yes"]) if is_sound else Reply(status=400, raw=b"{}")) as server:
        options = {"url": server.url, "model": "large-judge"}
        settings.JUDGE_MODEL = {"BACKEND": "specialists.language_models.openai_server.OpenAIServer", "OPTIONS": options}
        assert work_until_empty() == 1

    page = text_of(client_of(people.olga), URL.format(1))
    assert "Right answers and refusals" in page
    assert ("Answers that the judge model calls right" in page) == is_sound
    assert ("large-judge was asked" in page) == is_sound
    assert ("The judge model was not heard to the end." in page) == (not is_sound)
