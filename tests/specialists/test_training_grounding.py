"""The head of the groundedness check: trained on a file that two cores learn by heart, then served."""

from __future__ import annotations

from pathlib import Path

import pytest

from specialists.encoders.bundle import read_card
from specialists.encoders.export import prepare_specialist
from specialists.errors import DataError, SpecialistError
from specialists.grounding.checker import Claim, check_answer
from specialists.grounding.evaluation import evaluate_data
from specialists.grounding.rows import Row, passages_in_common, read_rows, write_rows
from specialists.grounding.serving import GroundingHead
from specialists.training.recipe import DataFile, Recipe, Run
from tests.specialists.tiny_rows import DEPARTMENTS, ROOMS


def weekly_rows() -> list[Row]:
    """With a difference that a network of two layers learns in seconds; what a real one learns is in its card."""
    rows = []
    for department in DEPARTMENTS:
        for room in ROOMS:
            passage = f"The {department} team meets in the {room} every week."
            rows.append(Row(f"Weekly, {department} gathers in the {room}.", passage, 1, "reworded", department))
            rows.append(Row(f"Yearly, {department} gathers in the {room}.", passage, 0, "opposite", department))
    return rows


def _run(data: Path, output: Path) -> Run:
    recipe = Recipe(layers=2, learning_rate=1e-3, epochs=8, batch=8)
    return Run([DataFile(data)], output, recipe, lambda *_: None, lambda _: None)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from specialists.grounding.training import train_grounding

    folder = tmp_path_factory.mktemp("grounding")
    write_rows(weekly_rows(), folder / "rows.jsonl")
    train_grounding(_run(folder / "rows.jsonl", folder / "head"))
    return folder


@pytest.mark.slow
def test_it_learns_a_small_file_by_heart_and_judges_alike_in_int8(trained: Path, tmp_path: Path) -> None:
    rows = read_rows(trained / "rows.jsonl")
    card = read_card(trained / "head", "grounding")
    assert card.losses[-1] < card.losses[0] / 4
    verdicts = {}
    for precision in ("fp32", "int8"):
        prepare_specialist(trained / "head", "grounding", tmp_path / precision, precision)  # type: ignore[arg-type]
        head = GroundingHead(trained / "head", tmp_path / precision)
        verdicts[precision] = [value > 0.5 for value in head.probabilities([(row.claim, row.passage) for row in rows])]
    right = sum(verdict == bool(row.label) for verdict, row in zip(verdicts["fp32"], rows, strict=True))
    assert right >= 0.95 * len(rows)
    same = sum(one == other for one, other in zip(verdicts["fp32"], verdicts["int8"], strict=True))
    assert same >= 0.97 * len(rows)

    found = evaluate_data([trained / "rows.jsonl"], head)
    assert found["rules and head"].recall.value > found["rules"].recall.value
    passages = {1: "The Finance team meets in the blue room every week."}
    claims = [Claim("Weekly, Finance gathers in the blue room.", (1,)), Claim("Yearly, Finance gathers in the blue room.", (1,))]
    answer = check_answer(claims, passages, head=head)
    assert [item.verdict for item in answer.sentences] == ["supported", "unsupported"]
    assert answer.note == ""


@pytest.mark.slow
def test_it_is_refused_until_it_is_prepared(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(SpecialistError, match="prepare_specialists"):
        GroundingHead(trained / "head", tmp_path / "nothing")


def test_it_says_that_a_handful_of_rows_is_too_little(tmp_path: Path) -> None:
    from specialists.grounding.training import train_grounding

    write_rows(weekly_rows()[:10], tmp_path / "rows.jsonl")
    with pytest.raises(DataError, match="10 rows are too few"):
        train_grounding(_run(tmp_path / "rows.jsonl", tmp_path / "head"))


def test_it_finds_passages_that_were_trained_on() -> None:
    rows = weekly_rows()
    assert passages_in_common(rows[:2], rows[:6]) == ["Finance"]
    assert passages_in_common(rows[:2], rows[6:]) == []
