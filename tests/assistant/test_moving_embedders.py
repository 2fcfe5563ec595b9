"""Moving to another embedding model by the commands: beside what serves, compared, promoted, rolled back; nobody sees more."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from assistant.golden.fingerprint import fingerprint_of
from assistant.golden.models import GoldenQuestion
from ingestion.models import Document, DocumentState
from ingestion.pipeline import MAX_ATTEMPTS
from ingestion.services import add_document
from ingestion.verification import verify
from ingestion.worker import work_until_empty
from retrieval import building
from retrieval.builds import read_builds, serving_build
from tests.assistant.pages import client_of, text_of
from tests.assistant.rows import make_answered
from tests.people import DISCOUNTS, LEAVE, People, add_text, make_corpora
from tests.retrieval.models import fake_model

pytestmark = pytest.mark.django_db
CANARY = "What is the password of the vault in the cellar?"


@pytest.fixture
def corpora(people: People, settings: Any, tmp_path: Path) -> Any:
    settings.EMBEDDER = {"BACKEND": "tests.retrieval.embedders.HashingEmbedder", "OPTIONS": {}}
    settings.MODELS_DIR = tmp_path / "models"
    settings.MODELS_DIR.mkdir()
    handbook, sales = make_corpora(people)
    add_text(handbook, "leave.md", LEAVE)
    add_text(sales, "discounts.md", DISCOUNTS)
    add_text(sales, "vault.md", f"# Vault\n\n## Password\n\n{CANARY} It is heron.")
    GoldenQuestion.objects.create(
        corpus=handbook, key="1", question="How many days of annual leave?", must_contain=[["27 days"]], document_name="leave.md"
    )
    return handbook, sales


def run(command: str, *arguments: str) -> str:
    output = io.StringIO()
    call_command(command, *arguments, stdout=output, stderr=io.StringIO())
    return output.getvalue()


def searched(person: str, query: str) -> list[str]:
    return [item["document"] for item in json.loads(run("search", query, "--as", person, "--json"))]


def test_it_builds_compares_promotes_and_rolls_back(people: People, corpora: Any, tmp_path: Path) -> None:
    handbook, sales = corpora
    before = fingerprint_of(handbook)["model"]
    told = run("build_embedder_index", "--embedder", str(fake_model(tmp_path / "green")))
    assert "complete" in told and "golden questions, against base: 100.0 → 100.0" in told and "questions of documents" in told
    assert serving_build().name == ""
    add_text(handbook, "herons.md", "# Herons\n\n## Feeding\n\nThe herons are fed at nine in the morning by the porter.")
    name = told.split("promote_embedder ")[1].strip()
    assert "1 passages behind" in run("promote_embedder")

    assert f"{name}: serves" in run("promote_embedder", name)
    assert fingerprint_of(handbook)["model"] != before  # so golden questions are asked again
    assert verify() == []
    assert searched("cy", "When are the herons fed?")[0] == searched("ben", "When are the herons fed?")[0]
    add_text(sales, "swifts.md", "# Swifts\n\nThe swifts leave in August.")

    assert "base: serves" in run("promote_embedder", "--roll-back")
    assert verify() == []
    assert run("promote_embedder", "base") == run("promote_embedder")
    run("promote_embedder", "--drop", name)
    assert read_builds().builds == {}
    with pytest.raises(CommandError, match="No other build has served before"):
        run("promote_embedder", "--roll-back")


def test_it_shows_nobody_more_during_and_after_the_move(people: People, corpora: Any, tmp_path: Path, monkeypatch: Any) -> None:
    """Cy may not read Sales, where the nearest passage of all is; and what an old answer quotes stays where it was."""
    answered = make_answered(people.ben, "When do days expire?", [(Document.objects.get(source_name="leave.md"), "31 March")])
    seen = []

    def look() -> None:
        seen.append((set(searched("cy", CANARY)), searched("ben", CANARY)[0]))

    embed = building._embed
    monkeypatch.setattr(building, "_embed", lambda *args: (look(), embed(*args), look()))
    told = run("build_embedder_index", "--embedder", str(fake_model(tmp_path / "green")))
    run("promote_embedder", told.split("promote_embedder ")[1].strip())
    look()
    run("promote_embedder", "--roll-back")
    look()
    assert len(seen) >= 6
    hidden = seen[-1][1]
    assert all(first == hidden and hidden not in found for found, first in seen)
    page = text_of(client_of(people.ben), reverse("assistant:conversation", args=[answered.conversation_id]))
    assert "31 March" in page


def test_it_embeds_a_document_again_that_was_on_its_way_when_the_build_changed(
    people: People, corpora: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    handbook, _ = corpora
    told = run("build_embedder_index", "--embedder", str(fake_model(tmp_path / "green")))
    name = told.split("promote_embedder ")[1].strip()
    from ingestion import embedding

    write, moved = embedding.make_live, []

    def move_first(*args: Any) -> None:
        if not moved:
            moved.append(run("promote_embedder", name))
        write(*args)

    monkeypatch.setattr(embedding, "make_live", move_first)
    add_document(
        corpus=handbook, source_name="owl.md", content=io.BytesIO(b"# Owls\n\nThe owl sleeps by day."), uploaded_by=people.ada
    )
    work_until_empty()
    document = Document.objects.get(source_name="owl.md")
    assert (document.state, document.attempts) == (DocumentState.READY, 2) and document.attempts < MAX_ATTEMPTS
    assert verify() == []
    assert searched("cy", "When does the owl sleep?")


def test_it_promotes_what_is_worse_only_when_told_so(people: People, corpora: Any, tmp_path: Path, monkeypatch: Any) -> None:
    from assistant.embedders import moving
    from retrieval.comparing import change

    worse = change([1.0, 0.9, 1.0], [0.2, 0.1, 0.0])
    monkeypatch.setattr(moving, "compare_builds", lambda asked, **options: worse)
    told = run("build_embedder_index", "--embedder", str(fake_model(tmp_path / "green")))
    name = told.split("promote_embedder ")[1].strip()
    with pytest.raises(CommandError, match="worse than base"):
        run("promote_embedder", name)
    assert serving_build().name == ""
    run("promote_embedder", name, "--although-worse")
    assert serving_build().name == name


def test_it_says_what_cannot_be_done(corpora: Any, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"no model\.safetensors"):
        run("build_embedder_index", "--embedder", str(tmp_path / "nothing"))
    with pytest.raises(CommandError, match="There is no build nothing"):
        run("promote_embedder", "nothing")
    with pytest.raises(CommandError, match="no corpus nowhere"):
        run("adapt_embedder", "--corpus", "nowhere")
    with pytest.raises(CommandError, match="too few to judge by"):
        run("adapt_embedder", "--output", str(tmp_path / "adapted"))
