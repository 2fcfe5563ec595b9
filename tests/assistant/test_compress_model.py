"""A smaller model in the terminal: each way ends in the report, with a verdict."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from assistant.finetuning.editing import create_specialist
from assistant.finetuning.models import DataSet
from ingestion.services import create_corpus
from specialists.compression import calibrated, lessons
from specialists.finetuning import judging
from specialists.language_models import local_folder
from specialists.language_models.folders import read_model_folder
from tests.assistant.finetuning_rows import make_data_set, make_row
from tests.assistant.pages import client_of, text_of
from tests.assistant.rows import make_document
from tests.people import People
from tests.quantiser import PYTHON, needs_quantiser, stand_in
from tests.real_model_servers import llama_folder, needs_llama
from tests.specialists.conftest import one_core  # noqa: F401 - a fixture
from tests.tiny_language_model import make_unread_model

pytestmark = pytest.mark.usefixtures("one_core")


@pytest.fixture
def data_set(people: People, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataSet:
    """Twelve rows to train on and twelve held out, of one document; answers are short, since the model comes to no end."""
    for module in (judging, lessons):
        monkeypatch.setattr(module, "MOST_COMPLETION", 8)
    settings.FINETUNING_BASE = str(make_unread_model(tmp_path / "base-tiny", "llama", layers=3))
    settings.FINETUNING_DEVICE = "cpu"
    settings.ADAPTERS_DIR = tmp_path / "adapters"
    settings.ADAPTERS_DIR.mkdir()
    corpus = create_corpus(name="Policies", owner=people.olga)
    document = make_document(corpus, "Leave", ["Answer."])
    made = make_data_set(create_specialist(name="Policies", corpora=[corpus], created_by=people.olga))
    for position in range(24):
        make_row(made, position, document, split="train" if position < 12 else "held_out")
    return made


def told(*options: object) -> str:
    out = StringIO()
    call_command("compress_model", "Policies", *map(str, options), stdout=out)
    return out.getvalue()


@pytest.mark.usefixtures("data_set")
def test_pruning_ends_in_a_report_and_a_verdict(tmp_path: Path) -> None:
    said = told("--output", tmp_path / "sparse", "--sparsity", "2:4", "--heal", "0")

    assert "Taken out (2:4): 50.0 % of the layers' weights are zero." in said
    lines = {line[:20].strip(): line[20:].split() for line in said.splitlines()}
    assert lines["model"] == ["base-tiny", "→", "sparse"]
    assert lines["MiB on disk"][0] == lines["MiB on disk"][2]
    assert lines["MiB in memory"][0] == lines["MiB in memory"][2]
    assert float(lines["of these zero"][3]) > float(lines["of these zero"][0]) + 20
    assert "Nothing is lost beyond its margin." in said
    assert read_model_folder(tmp_path / "sparse").parameters == read_model_folder(tmp_path / "base-tiny").parameters
    page = text_of(client_of(User.objects.get(username="olga")), "/manage/models/")
    for words in ("Smaller model", "sparse", "Of: base-tiny", "Weights taken out, 2:4", "Nothing is lost beyond its margin."):
        assert words in page
    assert "not on this host any more" not in page
    shutil.rmtree(tmp_path / "sparse")
    assert "not on this host any more" in text_of(client_of(User.objects.get(username="olga")), "/manage/models/")


@pytest.mark.usefixtures("data_set")
def test_what_cannot_be_done_is_said_before_anything_is_made(tmp_path: Path) -> None:
    for options, says in [
        ([], "Say what to do"),
        (["--sparsity", "half"], "The sparsity must be 2:4, or a share"),
        (["--layers", "3"], "Leave out at most 1 of them"),
        (["--method", "gptq"], "Say in how many bits --method is to store it"),
        (["--method", "awq", "--bits", "4", "--sparsity", "0.5"], "Give one of --sparsity and --method"),
    ]:
        with pytest.raises(CommandError, match=says):
            told("--output", tmp_path / "smaller", *options)
    assert not (tmp_path / "smaller").exists()


@pytest.mark.usefixtures("data_set")
def test_a_teacher_that_answers_nothing_well_teaches_nobody(tmp_path: Path) -> None:
    student = make_unread_model(tmp_path / "student-tiny")

    with pytest.raises(CommandError, match="Of the teacher's 12 answers 0 can be learnt from, and 20 are needed"):
        told("--output", tmp_path / "taught", "--student", student)
    with pytest.raises(CommandError, match="Give one of --merge, --student"):
        told("--output", tmp_path / "taught", "--student", student, "--layers", "1")
    assert not (tmp_path / "taught").exists()


@pytest.mark.usefixtures("data_set")
def test_a_missing_tool_or_package_is_named_with_what_to_install(
    settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.LLAMA_CPP_DIR = tmp_path / "llama"
    monkeypatch.setattr(local_folder, "find_spec", lambda package: None)

    with pytest.raises(CommandError, match=r"convert-to-gguf is not in .* Build it with make llama-server"):
        told("--output", tmp_path / "house.gguf", "--gguf", "q8_0")
    with pytest.raises(CommandError, match=r"give an --output that ends in \.gguf"):
        told("--output", tmp_path / "house", "--gguf", "q8_0")
    with pytest.raises(CommandError, match="8 bits need the package bitsandbytes, which is not installed"):
        told("--output", tmp_path / "house", "--bits", "8")
    with pytest.raises(CommandError, match="--gguf: not allowed with argument --bits"):
        told("--output", tmp_path / "house", "--bits", "8", "--gguf", "q8_0")
    settings.QUANTISER_PYTHON = tmp_path / "python"
    with pytest.raises(CommandError, match=r"The quantiser is not there: .* Install it with make quantiser"):
        told("--output", tmp_path / "house", "--bits", "4", "--method", "gptq")
    settings.QUANTISER_PYTHON = stand_in(tmp_path)
    monkeypatch.setattr(calibrated, "find_spec", lambda package: None)
    with pytest.raises(CommandError, match="needs the package compressed-tensors, and that is not installed"):
        told("--output", tmp_path / "house", "--bits", "4", "--method", "gptq")
    assert not (tmp_path / "house").exists()


@pytest.mark.usefixtures("data_set")
def test_what_was_made_before_the_rounding_failed_is_kept(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.QUANTISER_PYTHON = stand_in(tmp_path, "raise RuntimeError('no room')")
    monkeypatch.setattr(calibrated, "find_spec", lambda package: object())

    with pytest.raises(
        CommandError, match=r"it said: RuntimeError: no room\. The whole model is in .*/house-whole: set FINETUNING"
    ):
        told("--output", tmp_path / "house", "--layers", "1", "--heal", "0", "--bits", "4", "--method", "gptq")
    assert read_model_folder(tmp_path / "house-whole").parameters < read_model_folder(tmp_path / "base-tiny").parameters
    with pytest.raises(CommandError, match=r"it said: RuntimeError: no room\.$"):
        told("--output", tmp_path / "other", "--bits", "4", "--method", "gptq")
    assert [path.name for path in tmp_path.glob("*other*")] == []


@pytest.mark.slow
@needs_quantiser
@pytest.mark.usefixtures("data_set")
@pytest.mark.parametrize("method", ["gptq", "awq"])
def test_a_model_rounded_by_the_rows_is_judged_beside_the_whole(method: str, settings: Any, tmp_path: Path) -> None:
    settings.QUANTISER_PYTHON = PYTHON

    said = told("--output", tmp_path / "fewer", "--bits", 4, "--method", method)

    assert f"Rounded to 4 bits by {method.upper()} on 12 of the rows; 64 weights share a scale." in said
    lines = {line[:20].strip(): line[20:].split() for line in said.splitlines()}
    assert lines["model"] == ["base-tiny", "→", "fewer"]
    assert float(lines["MiB on disk"][2]) < float(lines["MiB on disk"][0])
    assert lines["MiB in memory"][0] == lines["MiB in memory"][2]
    assert lines["numbers"][0] == lines["numbers"][2]
    assert float(lines["tokens a second"][2]) > 0
    assert "Nothing is lost beyond its margin." in said or "It loses more than its margin" in said
    assert read_model_folder(tmp_path / "fewer").quantised_by == "compressed-tensors"
    page = text_of(client_of(User.objects.get(username="olga")), "/manage/models/")
    assert f"4 bits, {method.upper()}" in page
    with pytest.raises(CommandError, match="is there already"):
        told("--output", tmp_path / "fewer", "--bits", 4, "--method", method)


@pytest.mark.slow
@needs_llama
@pytest.mark.usefixtures("data_set")
def test_a_gguf_is_judged_behind_llama_cpps_own_server(settings: Any, tmp_path: Path) -> None:
    settings.LLAMA_CPP_DIR = llama_folder(tmp_path / "llama")

    said = told("--output", tmp_path / "house.gguf", "--gguf", "q8_0", "--sparsity", "0.5", "--heal", "0")

    lines = {line[:20].strip(): line[20:].split() for line in said.splitlines()}
    assert lines["model"] == ["base-tiny", "→", "house.gguf"]
    assert float(lines["MiB on disk"][2]) < float(lines["MiB on disk"][0]) / 2
    assert float(lines["MiB in memory"][2]) > 1 and float(lines["tokens a second"][2]) > 0
    assert "Nothing is lost" in said or "It loses more" in said
    assert sorted(path.name for path in tmp_path.glob("*house*")) == ["house.gguf"]


@pytest.mark.skipif(find_spec("bitsandbytes") is None, reason="bitsandbytes is not there: pip install bitsandbytes==0.50.2")
@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.usefixtures("data_set")
def test_a_folder_in_fewer_bits_is_smaller_on_disk_and_in_memory(bits: int, tmp_path: Path) -> None:
    said = told("--output", tmp_path / "fewer", "--bits", bits)

    lines = {line[:20].strip(): line[20:].split() for line in said.splitlines()}
    assert float(lines["MiB on disk"][2]) < float(lines["MiB on disk"][0])
    assert float(lines["MiB in memory"][2]) < float(lines["MiB in memory"][0])
    assert read_model_folder(tmp_path / "fewer").quantised_by == "bitsandbytes"
    with pytest.raises(CommandError, match="is there already"):
        told("--output", tmp_path / "fewer", "--bits", bits)
