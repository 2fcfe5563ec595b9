"""The reader that comes with the product: it reads as its card says, its ranking and its refusal are its own, and it is small."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from specialists.encoders.bundle import read_card
from specialists.encoders.export import prepare_specialist
from specialists.reader.evaluation import read_rows, score_rows
from specialists.reader.rows import load_rows
from specialists.reader.serving import Reader
from specialists.refusal.calibrator import DEFAULT_RISK, from_json

ROOT = Path(__file__).parents[2]
SPECIALISTS = ROOT / "specialists"
READER = SPECIALISTS / "trained" / "reader"
TEXTS = ROOT / "tests" / "data" / "reading.json"
TOLERANCE = 3.0  # points: processors round int8 differently


@pytest.mark.slow
def test_it_reads_texts_that_it_never_saw_as_its_card_says(tmp_path: Path) -> None:
    card = prepare_specialist(READER, "reader", tmp_path / "reader")
    measured = score_rows(read_rows(Reader(READER, tmp_path / "reader"), load_rows(TEXTS)))
    noted = card.figures["reading.json (int8)"]
    for name in ("answerable F1", "joint F1"):
        assert measured[name].mean == pytest.approx(noted[name]["mean"], abs=TOLERANCE)


def test_it_says_what_it_was_made_from() -> None:
    card = read_card(READER, "reader")
    assert all(len(item["sha256"]) == 64 for item in card.data)
    assert card.licences
    model_card = (READER / "MODEL_CARD.md").read_text()
    trainings = [asdict(card), *card.parents]
    assert all(item["name"] in model_card for training in trainings for item in training["data"])
    assert all(licence in model_card for training in trainings for licence in training["licences"])


def test_its_ranking_and_its_refusal_were_fitted_on_what_it_marks() -> None:
    name = read_card(READER, "reader").name
    assert json.loads((READER / "ranking.json").read_text())["reader"] == name
    calibration = from_json(json.loads((READER / "refusal.json").read_text()))
    assert calibration.reader == name
    assert len(calibration.held_out) == 795
    assert not calibration.threshold(DEFAULT_RISK).answers_nothing


def test_all_weights_together_are_small() -> None:
    files = [path for path in (SPECIALISTS / "trained").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 60_000_000
    assert max(path.stat().st_size for path in files) < 30_000_000
