"""A language model in the product's own process, behind the product's own doors; where it cannot work, the reader answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from safetensors.numpy import load_file, save_file

from tests.flows.installation import Installation, wait_for
from tests.flows.test_language_model import QUESTION, final
from tests.people import LEAVE
from tests.tiny_language_model import make_model

pytestmark = pytest.mark.slow
SAYS = "Parental leave lasts 18 weeks at full pay [1]."


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """It has learnt to say so after the longest prompts that these tests make."""
    return make_model(tmp_path_factory.mktemp("model") / "house-tiny", SAYS, lengths=(20, 200, 1200))


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("documents")
    (folder / "leave.md").write_text(LEAVE)
    return folder


def installed(model: Path, documents: Path) -> tuple[Installation, str]:
    """An installation whose rule sends the question to the model, and Ada's password."""
    made = Installation({"LANGUAGE_MODEL_FOLDER": str(model)}).prepare()
    importing = ["import_folder", str(documents), "--corpus", "Handbook", "--owner", "ada"]
    password = made.create_people({"ada": ["--admin"]}, importing)["ada"]
    made.start()
    rule = {"when": "phrase", "phrase": "in your own words", "tier": "specialist"}
    with closing(made.client("ada", password)) as ada:
        assert ada.post("/manage/routing/", data=rule).status_code == 200
    return made, password


@pytest.fixture(scope="module")
def installation(model: Path, documents: Path) -> Iterator[tuple[Installation, str]]:
    made = installed(model, documents)
    yield made
    made[0].stop()


def test_it_writes_the_answer_from_the_passages(installation: tuple[Installation, str]) -> None:
    asked = installation[0].manage_json("ask", QUESTION, "--as", "ada")

    assert (asked["status"], asked["route"], asked["model"]) == ("answered", "specialist", "house-tiny")
    assert asked["sentences"] == [{"text": "Parental leave lasts 18 weeks at full pay.", "citations": [1]}]
    assert "18 weeks" in asked["citations"][0]["quote"]


def test_the_reader_answers_until_it_is_loaded_and_then_it_writes(installation: tuple[Installation, str]) -> None:
    made, password = installation
    with closing(made.client("ada", password)) as ada:
        pages = [final(ada)]
        wait_for(lambda: pages.append(final(ada)) or "Written by a language model" in pages[-1], "the model's answer")

    assert all("18 weeks" in page for page in pages)
    assert "Parental leave lasts 18 weeks at full pay." in pages[-1]


def test_a_model_that_cannot_be_loaded_costs_no_answer(model: Path, documents: Path, tmp_path: Path) -> None:
    for file in model.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    tensors = load_file(tmp_path / "model.safetensors")
    del tensors["model.norm.weight"]
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    made, password = installed(tmp_path, documents)
    try:
        with closing(made.client("ada", password)) as ada:
            says = "is damaged: 1 of its weights are missing. Copy it again."
            wait_for(lambda: says in made.log.read_text(), "the sentence about the model")
            page = final(ada)
        assert "18 weeks" in page
        assert "Written by a language model" not in page
    finally:
        made.stop()


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"LANGUAGE_MODEL_FOLDER": "/nowhere"}, "there is no model in /nowhere"),
        ({"LANGUAGE_MODEL_DEVICE": "tpu"}, "LANGUAGE_MODEL_DEVICE must be auto, cpu, cuda"),
        ({"LANGUAGE_MODEL_QUANTISATION": "2bit"}, "LANGUAGE_MODEL_QUANTISATION must be empty, 8bit or 4bit"),
        ({"LANGUAGE_MODEL_URL": "http://127.0.0.1:1/v1"}, "Set LANGUAGE_MODEL_URL or LANGUAGE_MODEL_FOLDER, not both"),
    ],
)
def test_settings_that_cannot_be_are_refused_at_the_start(model: Path, environment: dict[str, str], says: str) -> None:
    made = Installation({"LANGUAGE_MODEL_FOLDER": str(model), **environment})

    with pytest.raises(AssertionError, match=says):
        made.manage("migrate", "--verbosity", "0")


def test_a_pickle_is_refused_at_the_start(model: Path, tmp_path: Path) -> None:
    for file in model.iterdir():
        name = file.name if file.suffix != ".safetensors" else "pytorch_model.bin"
        (tmp_path / name).write_bytes(file.read_bytes())

    with pytest.raises(AssertionError, match="which can run any program when it is read"):
        Installation({"LANGUAGE_MODEL_FOLDER": str(tmp_path)}).manage("migrate", "--verbosity", "0")
