"""Recipes through the doors: their examples loaded by command, their data sets made through the page."""

from __future__ import annotations

import io
import json
from collections import Counter

import pytest
from django.core.management import CommandError, call_command

from assistant.finetuning.editing import create_specialist
from assistant.finetuning.models import DataSet, DataSetRow, DataSetState, Specialist
from assistant.finetuning.presentation import figures_of
from assistant.finetuning.sections import read_sections
from assistant.finetuning.shapes import shaped_pairs
from assistant.finetuning.worker import work_until_empty
from assistant.golden.models import GoldenQuestion
from ingestion.models import Corpus, DocumentState, DocumentText
from ingestion.services import create_corpus, delete_document
from specialists.finetuning.presets import PRESETS
from specialists.finetuning.rows import LEAST_HELD_OUT_ROWS, LEAST_TRAINING_ROWS
from tests.assistant.pages import client_of
from tests.people import LEAVE, People, add_text

EXAMPLES = [name for name, preset in PRESETS.items() if preset.leading]


def load(recipe: str) -> Corpus:
    call_command("load_recipe", recipe, "--owner", "olga", stdout=io.StringIO())
    return Corpus.objects.get(name=f"Example: {PRESETS[recipe].label}")


def make(specialist: Specialist, people: People, recipe: str) -> DataSet:
    """Through the page and the trainer."""
    url = f"/manage/specialists/{specialist.slug}/data-sets/"
    assert client_of(people.olga).post(url, {"recipe": recipe}).status_code == 302
    assert work_until_empty() == 1
    return specialist.data_sets.get()


def check_golden(corpus: Corpus) -> None:
    """What a question's answer must hold stands in its document."""
    texts = dict(DocumentText.objects.filter(document__corpus=corpus).values_list("document__source_name", "text"))
    questions = list(GoldenQuestion.objects.filter(corpus=corpus))
    assert len(questions) >= 12
    for question in questions:
        text = " ".join(texts.get(question.document_name, "").split())
        assert all(any(phrase in text for phrase in phrases) for phrases in question.must_contain), question.question


@pytest.mark.slow
@pytest.mark.parametrize("recipe", EXAMPLES)
def test_the_example_of_a_recipe_has_golden_questions_and_gives_enough_rows_of_its_kind(people: People, recipe: str) -> None:
    corpus = load(recipe)
    assert set(corpus.documents.values_list("state", flat=True)) == {DocumentState.READY}
    check_golden(corpus)
    count = corpus.documents.count()
    load(recipe)  # again: nothing is added
    assert corpus.documents.count() == count
    specialist = create_specialist(name="Example", corpora=[corpus], created_by=people.olga)

    data_set = make(specialist, people, recipe)

    assert data_set.state == DataSetState.READY, data_set.error_message
    figures = figures_of(data_set)
    assert figures.training >= LEAST_TRAINING_ROWS
    assert figures.held_out >= LEAST_HELD_OUT_ROWS
    origins = Counter(data_set.rows.values_list("origin", flat=True))
    leading = sum(origins[name] for name in PRESETS[recipe].leading)
    assert leading / data_set.rows.count() >= 1 - PRESETS[recipe].beside - 0.1, (origins, data_set.left_out)
    page = client_of(people.olga).get(f"/manage/specialists/{specialist.slug}/data-sets/1/").content.decode()
    assert f"Recipe: {PRESETS[recipe].label}" in page
    form = client_of(people.olga).get(f"/manage/specialists/{specialist.slug}/data-sets/1/train").content.decode()
    assert f'name="r" value="{PRESETS[recipe].training.r}"' in form


def test_a_recipe_whose_subject_the_documents_lack_says_so(people: People) -> None:
    corpus = create_corpus(name="Policies", owner=people.olga)
    add_text(corpus, "leave.md", LEAVE)
    specialist = create_specialist(name="Policies", corpora=[corpus], created_by=people.olga)

    data_set = make(specialist, people, "support")

    assert data_set.state == DataSetState.FAILED
    assert data_set.error_message.startswith("The documents hold no tickets with a resolution. Upload them as CSV")


def test_an_unknown_recipe_makes_nothing(people: People) -> None:
    corpus = create_corpus(name="Policies", owner=people.olga)
    specialist = create_specialist(name="Policies", corpora=[corpus], created_by=people.olga)
    olga = client_of(people.olga)

    page = olga.post(f"/manage/specialists/{specialist.slug}/data-sets/", {"recipe": "poems"}, follow=True).content.decode()

    assert "There is no such recipe. Choose one of general, policies, support, code, contracts." in page
    assert not specialist.data_sets.exists()
    with pytest.raises(CommandError, match="There is no person named nobody"):
        call_command("load_recipe", "support", "--owner", "nobody")


def tickets(corpus: Corpus, name: str, count: int) -> None:
    things = ("gate", "valve", "pump", "door", "lamp", "fan", "lock", "clock", "heater", "printer", "scanner", "cable")
    lines = [
        {"subject": f"The {thing} of hall {number}", "description": f"Our {thing} is stuck since Monday.",
         "resolution": f"The {thing} needed a new part from shelf {number * 7}. It was mounted by the house technician."}
        for number, thing in enumerate(things[:count], start=1)
    ]  # fmt: skip
    add_text(corpus, name, "".join(json.dumps(line) + "\n" for line in lines))


def test_the_rows_of_tickets_go_with_their_file_and_keep_secrets_out(people: People) -> None:
    corpus = create_corpus(name="Desk", owner=people.olga)
    tickets(corpus, "desk.jsonl", 12)
    secret = {"subject": "Login", "body": "I cannot log in.", "resolution": "We set the password: hunter2Zq81xTv9 for him again."}
    add_text(corpus, "login.jsonl", json.dumps(secret) + "\n")
    specialist = create_specialist(name="Desk", corpora=[corpus], created_by=people.olga)

    data_set = make(specialist, people, "support")

    rows = data_set.rows.filter(origin="ticket")
    assert rows.filter(split="held_out").exists() and rows.filter(split="train").exists()
    shown = DataSetRow.objects.filter(passages__text__contains="hunter2")
    assert shown.exists() and all(row.is_dropped and "secret" in row.dropped_because for row in shown)
    delete_document(document=corpus.documents.get(source_name="desk.jsonl"))
    assert not data_set.rows.filter(document__source_name="desk.jsonl").exists()
    assert not rows.filter(passages__text__contains="shelf").exists()


def test_a_file_that_was_replaced_since_its_passages_were_read_gives_no_rows(people: People) -> None:
    corpus = create_corpus(name="Desk", owner=people.olga)
    tickets(corpus, "desk.jsonl", 6)
    sections = read_sections(list({document.partition for document in corpus.documents.all()}))
    assert len({section.part for section in sections.values()}) == 6

    assert len(list(shaped_pairs(sections))) == 6

    DocumentText.objects.update(text="Something else. " * 200)
    assert list(shaped_pairs(sections)) == []


def test_versions_of_a_document_are_held_out_or_trained_on_together(people: People) -> None:
    corpus = create_corpus(name="House", owner=people.olga)
    for name in ("travel-policy-2023.md", "travel-policy-2026.md", "leave.md"):
        add_text(corpus, name, f"# {name}\n\nThe hotel of {name} costs at most 140 pounds.\n")
    sections = read_sections(list(corpus.partitions.all()))
    units = {str(section.title): section.unit for section in sections.values()}
    assert units["travel-policy-2023.md"] == units["travel-policy-2026.md"] != units["leave.md"]
