"""The commands as a script uses them: an empty data folder, JSON on standard output, status 0 only on success."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.flows.installation import Installation

pytestmark = pytest.mark.slow

ROWS = {
    "d-1": ("Annual leave", "Full-time employees receive 27 days of paid annual leave per calendar year."),
    "d-2": ("Hotels", "A hotel in Lisbon may cost up to 140 euros a night, city tax included."),
    "d-3": ("Calibration", "The sensor must be calibrated every 90 days with fresh buffer solution."),
}


@pytest.fixture(scope="module")
def installation() -> Installation:
    made = Installation()
    made.manage("migrate", "--verbosity", "0")
    made.create_person("ada", "--admin")
    return made


@pytest.fixture(scope="module")
def beir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("beir")
    corpus = [{"_id": name, "title": title, "text": text} for name, (title, text) in ROWS.items()]
    (folder / "corpus.jsonl").write_text("\n".join(json.dumps(row) for row in corpus))
    queries = [{"_id": "q-1", "text": "days of annual leave"}, {"_id": "q-2", "text": "price of a hotel in Lisbon"}]
    (folder / "queries.jsonl").write_text("\n".join(json.dumps(row) for row in queries))
    (folder / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\nq-1\td-1\t1\nq-2\td-2\t1\n")
    return folder


def test_it_imports_searches_asks_and_measures(installation: Installation, beir: Path, tmp_path: Path) -> None:
    summary = installation.manage_json("import_beir", str(beir), "--corpus", "Rules", "--groups", "Staff")
    assert summary["documents"] == {"ready": 3}
    installation.create_person("ben", "--groups", "Staff")
    installation.create_person("eve")

    hits = installation.manage_json("search", "sensor calibration", "--as", "ben", "--top-k", "2")
    assert [hit["rank"] for hit in hits] == [1, 2]
    assert hits[0]["document"] == "d-3"
    assert installation.manage_json("search", "sensor calibration", "--as", "eve") == []

    result = installation.manage_json(
        "ask", "How many days of annual leave do employees get?", "--as", "ben", "--corpus", "Rules"
    )
    assert result["status"] == "answered"
    assert result["sentences"][0] == {"text": ROWS["d-1"][1], "citations": [1]}
    citation = result["citations"][0]
    assert (citation["n"], citation["document"], citation["title"]) == (1, "d-1", "Annual leave")
    assert citation["quote"] == ROWS["d-1"][1]
    assert set(result) >= {"status", "answer", "sentences", "citations", "route", "model", "timings_ms"}
    assert installation.manage_json("ask", "How many days of annual leave?", "--as", "eve")["status"] == "abstained"

    questions = [
        {"question": "How often must the sensor be calibrated?", "answers": ["every 90 days"]},
        {"question": "What is the boiling point of mercury?", "answers": [], "is_impossible": True},
    ]
    (tmp_path / "questions.jsonl").write_text("\n".join(json.dumps(row) for row in questions))
    figures = installation.manage_json("evaluate_answers", str(tmp_path / "questions.jsonl"), "--corpus", "Rules", "--as", "ben")
    assert figures["questions"] == 2
    assert figures["answered"] == figures["abstained"] == 0.5
    assert figures["cited_passage_holds_gold"] == figures["abstaining_accuracy"] == 1.0

    measured = installation.manage_json("evaluate_retrieval", str(beir), "--qrels", str(beir / "qrels.tsv"))
    assert measured["ndcg@10"] == measured["recall@100"] == measured["mrr@10"] == 1.0
    assert measured["queries"] == 2
    assert measured["peak_memory_mb"] > 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["ask", "Anything?", "--as", "nobody"],
        ["ask", "   ", "--as", "ada"],
        ["ask", "x" * 100_000, "--as", "ada"],
        ["ask", "Anything?", "--as", "ada", "--corpus", "No such corpus"],
        ["import_folder", "/no/such/folder", "--corpus", "Rules"],
        ["create_person", "not a name!"],
        ["evaluate_answers", "/no/such/file.jsonl", "--corpus", "Rules", "--as", "ada"],
    ],
    ids=lambda arguments: " ".join(arguments)[:40],
)
def test_it_fails_with_a_status_and_a_sentence(installation: Installation, arguments: list[str]) -> None:
    with pytest.raises(AssertionError, match="CommandError"):
        installation.manage(*arguments)
