"""The page of all models: what is installed, what is wrong with it, and whose adapters a person sees."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from assistant.finetuning.editing import create_specialist
from assistant.finetuning.models import VersionState
from ingestion.services import create_corpus
from retrieval import embedders, files
from retrieval.files import sha256_of
from specialists.grounding import serving as grounding
from specialists.language_models.local_folder import LocalFolder
from specialists.language_models.openai_server import OpenAIServer
from specialists.reader import serving as reader
from specialists.reranker import serving as reranker
from specialists.router.serving import get_router, load_router
from tests.assistant.finetuning_rows import make_version
from tests.assistant.pages import client_of, text_of
from tests.assistant.rows import make_document
from tests.people import People
from tests.tiny_language_model import make_unread_model

pytestmark = pytest.mark.django_db
URL = "/manage/models/"


def test_it_lists_the_small_specialists_with_what_they_are_made_of(people: People) -> None:
    page = text_of(client_of(people.ada), URL)
    for words in (
        "Reader",
        "Reranker",
        "Grounding",
        "Router",
        "Embedder",
        "squad_train.json",
        "CC BY-SA 4.0",
        "joint F1",
        "In use",
    ):
        assert words in page
    assert "Cannot be used" not in page


def row_of(page: str, kind: str) -> str:
    return next(row for row in page.split("<tr>") if f"<small>{kind}</small>" in row)


def test_it_shows_what_each_model_takes_on_disk(people: People, settings: Any, tmp_path: Path) -> None:
    settings.MODELS_DIR, settings.EMBEDDING_MODEL = tmp_path, str(tmp_path / "House Model")
    settings.SPECIALISTS_DIR = tmp_path / "specialists"
    for folder, size in {"house-model": 3, "House Model": 2, "specialists/reader": 5, "specialists/router": 4}.items():
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "weights").write_bytes(b"x" * size * 1024)
    page = text_of(client_of(people.ada), URL)
    assert "3.0\xa0KB" in row_of(page, "Embedder")
    assert "5.0\xa0KB" in row_of(page, "Reader") and "Cannot be used" in row_of(page, "Reader")
    assert "4.0\xa0KB" in row_of(page, "Router")
    assert "On disk" in row_of(page, "Reranker") and "KB" not in row_of(page, "Reranker")  # there is none
    shutil.rmtree(tmp_path / "house-model")
    row = row_of(text_of(client_of(people.ada), URL), "Embedder")
    assert "2.0\xa0KB" in row and "<b>House Model</b>" in row  # what nothing was prepared from is loaded itself


def test_it_says_what_cannot_be_used(people: People, settings: Any, tmp_path: Path) -> None:
    settings.SPECIALISTS_DIR = tmp_path
    settings.JUDGE_MODEL = {
        "BACKEND": "specialists.language_models.openai_server.OpenAIServer",
        "OPTIONS": {"url": "http://192.0.2.1/v1", "model": "judge"},
    }
    page = text_of(client_of(people.ada), URL)
    assert "There is no trained reader in" in page
    assert "Its card cannot be read." in page
    assert "Judge" in page and "192.0.2.1" in page


def test_it_shows_whether_the_language_model_is_loaded(
    people: People, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_unread_model(tmp_path / "house-tiny")
    options = {"folder": str(folder), "device": "cpu"}
    settings.LANGUAGE_MODEL = {"BACKEND": "specialists.language_models.local_folder.LocalFolder", "OPTIONS": options}
    model = LocalFolder(**options)
    monkeypatch.setattr("assistant.finetuning.inventory.get_language_model", lambda: model)
    assert "Not loaded yet" in row_of(text_of(client_of(people.ada), URL), "Language model")
    model.warm_up()
    row = row_of(text_of(client_of(people.ada), URL), "Language model")
    assert "This process, cpu" in row and "house-tiny" in row


@pytest.mark.parametrize("kind", ["Reader", "Reranker", "Grounding", "Router", "Embedder"])
def test_it_shows_whether_this_process_has_a_small_model_loaded(
    people: People, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads: dict[str, Any] = {
        "Reader": reader.get_reader, "Reranker": reranker.get_reranker, "Grounding": grounding.get_head, "Router": get_router,
        "Embedder": embedders.get_embedder,
    }  # fmt: skip
    monkeypatch.setattr(embedders, "_loaded", set())
    for cached in (reader.get_reader, reranker.get_reranker, grounding.get_head, load_router):
        cached.cache_clear()
    assert "Not loaded yet" in row_of(text_of(client_of(people.ada), URL), kind)
    loads[kind]()
    assert "This process" in row_of(text_of(client_of(people.ada), URL), kind)


def test_it_shows_which_adapters_a_server_has(people: People, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    document = make_document(create_corpus(name="Policies", owner=people.olga), "Leave policy", ["Leave."])
    specialist = create_specialist(name="House rules", corpora=[document.corpus], created_by=people.olga)
    make_version(specialist, document, state=VersionState.RETIRED)
    used = make_version(specialist, document, state=VersionState.PROMOTED)
    options = {"url": "http://127.0.0.1:9/v1", "model": "house-7b", "adapters": [used.adapter_name]}
    settings.LANGUAGE_MODEL = {"BACKEND": "specialists.language_models.openai_server.OpenAIServer", "OPTIONS": options}
    monkeypatch.setattr("assistant.finetuning.inventory.get_language_model", lambda: OpenAIServer(**options))
    rows = [row for row in text_of(client_of(people.olga), URL).split("<tr>") if "<small>Adapter</small>" in row]
    assert "version 2" in rows[0] and "A server, 127.0.0.1" in rows[0]
    assert "version 1" in rows[1] and "Not loaded yet" in rows[1]


def test_it_shows_adapters_only_of_specialists_that_the_viewer_manages(people: People) -> None:
    corpus = create_corpus(name="Policies", owner=people.olga)
    document = make_document(corpus, "Leave policy", ["Leave."])
    specialist = create_specialist(name="House rules", description="", corpora=[corpus], created_by=people.olga)
    make_version(specialist, document, state=VersionState.PROMOTED)
    create_corpus(name="Other", owner=people.ben)
    assert "House rules, version 1" in text_of(client_of(people.olga), URL)
    assert "House rules" not in text_of(client_of(people.ben), URL)


def test_it_reads_weights_once_and_again_when_they_have_changed(
    people: People, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds = ("reader", "reranker", "grounding")
    for kind in kinds:
        shutil.copytree(Path(settings.SPECIALISTS_DIR) / kind, tmp_path / kind)
    settings.SPECIALISTS_DIR = tmp_path
    read: list[str] = []
    monkeypatch.setattr(files, "sha256_of", lambda path: read.append(path.parent.name) or sha256_of(path))
    ada = client_of(people.ada)
    for _ in range(2):
        assert "damaged" not in text_of(ada, URL)
    assert sorted(read) == sorted(kinds)

    with (tmp_path / "reader" / "weights.safetensors").open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\x7f")
    os.utime(tmp_path / "reader" / "weights.safetensors", ns=(1, 1))

    assert f"The specialist in {tmp_path / 'reader'} is damaged." in text_of(ada, URL)
    assert len(read) == 4
