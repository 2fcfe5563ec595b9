from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from retrieval.embedders import get_embedder
from specialists.errors import DataError, SpecialistError
from specialists.measures import auroc, wilson
from specialists.router import serving, softmax
from specialists.router.evaluation import evaluate_router
from specialists.router.features import fit_sketch
from specialists.router.learning import learn_from_outcomes, read_outcomes, record_outcome
from specialists.router.measures import calibration_error, macro_f1
from specialists.router.storage import read_router, read_router_card, write_card
from specialists.router.training import train_router
from tests.specialists.router_rows import NOUNS, TEXTS, rows_of, write_data, write_jsonl


def _quiet(_: str) -> None:
    pass


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A router with a tiny head, made once; the tests that damage it copy its files."""
    folder = tmp_path_factory.mktemp("router")
    train_router(data=write_data(folder / "data"), output=folder / "out", report=_quiet)
    return folder


def _copy(trained: Path, target: Path) -> Path:
    target.mkdir()
    for path in (trained / "out").iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    return target


def test_it_fits_the_weights_of_a_plain_softmax_regression() -> None:
    """On separable points without much penalty the probabilities become sure, and the loss falls at every step."""
    inputs = np.array([[1, 0], [0.9, 0.1], [0, 1], [0.1, 0.9], [-1, -1], [-0.9, -1]], np.float32)
    targets = np.repeat(np.eye(3, dtype=np.float32), 2, axis=0)
    losses: list[float] = []
    weights = softmax.fit_softmax(inputs, targets, penalty=1e-4, iterations=200, report=lambda _, loss: losses.append(loss))
    found = softmax.log_softmax(inputs @ weights[:-1] + weights[-1])
    assert (found.argmax(axis=1) == [0, 0, 1, 1, 2, 2]).all()
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.05
    shares = np.eye(3, dtype=np.float64)[[0, 0, 1, 1, 2, 2]]

    def loss(matrix: Any) -> float:
        logits = inputs @ matrix[:-1] + matrix[-1]
        return float(-(shares * softmax.log_softmax(logits)).sum() / 6 + 0.1 / 2 * (matrix[:-1] ** 2).sum())

    best = softmax.fit_softmax(inputs, targets, penalty=0.1, iterations=200).astype(np.float64)
    rng = np.random.default_rng(0)
    assert all(loss(best + 0.05 * rng.normal(size=best.shape)) > loss(best) for _ in range(50))
    heavy = softmax.fit_softmax(inputs, targets, penalty=10.0, iterations=50)
    assert np.abs(heavy[:-1]).max() < 0.1


def test_it_finds_the_minimum_of_a_function_it_can_follow() -> None:
    """Rosenbrock's, whose valley is curved."""

    def rosenbrock(point: Any) -> tuple[float, Any]:
        x, y = point
        slope = np.array([-2 * (1 - x) - 400 * x * (y - x * x), 200 * (y - x * x)])
        return (1 - x) ** 2 + 100 * (y - x * x) ** 2, slope

    found = softmax.minimise(rosenbrock, np.array([-1.2, 1.0]), iterations=200)
    assert np.allclose(found, [1, 1], atol=1e-2)


def test_it_sketches_words_alike_on_every_machine_and_whatever_the_digits() -> None:
    texts = ["How do I reset form 4711?", "Write SQL", "?"]
    sketch = fit_sketch(texts, columns=64, weight=0.5)
    rows = sketch.transform(texts)
    assert rows.shape == (3, 128)
    assert np.allclose(np.linalg.norm(rows[0, :64]), 0.5, atol=1e-5)
    assert np.array_equal(rows[:1], sketch.transform(["how do i RESET form 1234?"]))
    assert not np.array_equal(rows[:1], sketch.transform(["how do i reset form"]))
    assert sketch.transform([]).shape == (0, 128)
    assert sketch.transform(["", "\ud800"]).shape == (2, 128)
    places = np.flatnonzero(rows[1, :64])  # a hash that changed would make the shipped heads worthless
    assert (places * np.sign(rows[1, places])).astype(int).tolist() == [26, -32, -43, 58, 62]


def test_it_learns_a_tiny_set_and_scores_alike_when_loaded(trained: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    card = train_router(data=trained / "data", output=tmp_path / "again", report=lines.append)
    head = card.heads["intent"]
    assert head.figures["accuracy"] == 1.0
    assert head.rows == {"train": 21, "dev": 3, "test": 9}
    assert lines[0] == "intent: 21 texts to train on, 3 to choose on, 3 labels."
    first, second = ((folder / "intent.safetensors").read_bytes() for folder in (trained / "out", tmp_path / "again"))
    assert first == second
    embedder = get_embedder()
    _, heads = read_router(tmp_path / "again", embedder=embedder.name)
    question = "Write a Python class for the pump"
    scores = heads["intent"].score([question], embedder.embed_queries([question]))
    assert heads["intent"].labels[int(scores.probabilities[0].argmax())] == "code"
    assert np.isclose(scores.probabilities.sum(), 1, atol=1e-5)


def test_it_calls_a_text_outside_that_is_like_none(tmp_path: Path) -> None:
    pairs = [[row["text"], row["label"]] for row in rows_of(TEXTS, [*NOUNS, "car", "desk", "phone", "ticket"])]
    strange = [
        "purple elephants sing",
        "the moon is made of cheese",
        "xyzzy plugh",
        "seven blue whales",
        "opera tonight",
        "my aunt",
    ]
    content = {
        "train": pairs,
        "val": [["How do I order a chair?", "how_to"], ["Write a Python function for the log", "code"]],
        "oos_train": [[text, "oos"] for text in strange[:4]],
        "oos_val": [[text, "oos"] for text in strange[4:]],
    }
    path = tmp_path / "tiny.json"
    path.write_text(json.dumps(content))
    figures = train_router(data=path, output=tmp_path / "out", report=_quiet).heads["tiny"].figures
    assert (figures["accuracy"], figures["outside_recall"], figures["outside_auroc"]) == (1.0, 1.0, 1.0)


def test_it_evaluates_on_the_held_out_rows_and_says_when_the_file_is_another(trained: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    report = evaluate_router(folder=trained / "out", data=trained / "data", report=lines.append)[0]
    assert report.figures["accuracy"] == 1.0
    assert report.figures["low"] < 0.75
    assert report.figures["ms_p50"] > 0
    assert next((item.label, item.rows, item.recall) for item in report.labels) == ("code", 3, 1.0)
    assert lines == []
    other = write_data(tmp_path / "data")
    write_jsonl(other / "intent.train.jsonl", rows_of(TEXTS, [*NOUNS, "car"]))
    evaluate_router(folder=trained / "out", data=other, report=lines.append)
    assert "not the file that the head was trained on" in lines[0]
    with pytest.raises(DataError, match="has no head mood; it has intent"):
        evaluate_router(folder=trained / "out", data=write_jsonl(tmp_path / "mood.jsonl", rows_of(TEXTS)), report=lines.append)


def test_it_refuses_a_damaged_router_and_one_of_another_embedder(trained: Path, tmp_path: Path) -> None:
    name = get_embedder().name

    def code_of(folder: Path, embedder: str = name) -> str:
        with pytest.raises(SpecialistError) as caught:
            read_router(folder, embedder=embedder)
        assert "manage.py" in caught.value.public_message or "Train it again" in caught.value.public_message
        return caught.value.code

    assert code_of(tmp_path / "absent") == "specialist_missing"
    flipped = _copy(trained, tmp_path / "flipped")
    content = bytearray((flipped / "intent.safetensors").read_bytes())
    content[-9] ^= 1
    (flipped / "intent.safetensors").write_bytes(content)
    assert code_of(flipped) == "specialist_corrupt"
    lost = _copy(trained, tmp_path / "lost")
    (lost / "intent.safetensors").unlink()
    assert code_of(lost) == "specialist_corrupt"
    broken = _copy(trained, tmp_path / "broken")
    (broken / "card.json").write_text('{"heads": {"intent": {"labels": []}}}')
    assert code_of(broken) == "specialist_corrupt"
    old = _copy(trained, tmp_path / "old")
    write_card(old, replace(read_router_card(old), layout=0))
    assert code_of(old) == "specialist_mismatch"
    assert code_of(trained / "out", "other-model@abc:int8") == "specialist_mismatch"
    precision = f"{name.partition(':')[0]}:torch-fp32"
    assert read_router(trained / "out", embedder=precision)[0].embedder == name


def test_it_keeps_the_served_router_when_a_training_fails_to_write(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = _copy(trained, tmp_path / "served")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("safetensors.numpy.save_file", full)
    with pytest.raises(SpecialistError, match=r"could not be written .* Free some space"):
        train_router(data=trained / "data", output=folder, report=_quiet)
    assert read_router(folder, embedder=get_embedder().name)[0].heads["intent"].labels


def test_it_learns_from_routes_that_people_put_right(trained: Path, tmp_path: Path, settings: Any) -> None:
    settings.DATA_DIR = tmp_path
    settings.SPECIALISTS_DIR = tmp_path
    (tmp_path / "router").mkdir()
    _copy(trained, tmp_path / "router" / "learnt")
    question = "Ahoy crew of the sensor lab"
    serving.load_router.cache_clear()
    vector = get_embedder().embed_queries([question])[0]
    before = serving.get_router().score(question, vector).intent["greeting"]
    assert record_outcome(question=question, intent="code") == 1
    assert record_outcome(question=f"  {question.upper()}!", intent="greeting") == 1
    assert record_outcome(question="Ahoy all", intent="greeting") == 2
    assert [row.label for row in read_outcomes()] == ["greeting", "greeting"]
    learnt = learn_from_outcomes(
        outcomes=tmp_path / "router" / "outcomes.jsonl",
        output=tmp_path / "router" / "learnt",
        data=trained / "data",
        report=_quiet,
    )
    assert (learnt.is_taken, learnt.outcomes, learnt.before) == (True, 2, 1.0)
    assert serving.get_router().score(question, vector).intent["greeting"] > before


def test_it_serves_the_shipped_router_when_the_learnt_one_is_damaged(
    trained: Path, tmp_path: Path, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.DATA_DIR = settings.SPECIALISTS_DIR = tmp_path
    shipped = _copy(trained, tmp_path / "router")
    learnt = _copy(trained, shipped / "learnt")
    (learnt / "intent.safetensors").write_bytes(b"half")
    with caplog.at_level("WARNING"):
        assert serving.get_router().card.heads["intent"].labels
    assert "The shipped router is used." in caplog.text


def test_it_does_not_take_what_it_learnt_when_that_is_worse(trained: Path, tmp_path: Path, settings: Any) -> None:
    settings.DATA_DIR = tmp_path
    settings.SPECIALISTS_DIR = tmp_path
    served = _copy(trained, tmp_path / "router")
    wrong = write_jsonl(
        tmp_path / "wrong.jsonl",
        [{"text": f"What are the steps to request a {noun} now", "label": "greeting"} for noun in NOUNS],
    )
    learnt = learn_from_outcomes(outcomes=wrong, output=tmp_path / "learnt", data=trained / "data", report=_quiet)
    assert not learnt.is_taken
    assert learnt.reason.endswith("not taken; the installed router stays")
    assert not (tmp_path / "learnt").exists()
    assert serving.installed_folder() == served
    with pytest.raises(DataError, match="has no outcomes yet"):
        learn_from_outcomes(outcomes=tmp_path / "none.jsonl", output=tmp_path / "learnt", data=trained / "data", report=_quiet)
    for question, intent in (("Who?", "nonsense"), ("?", "fact")):
        with pytest.raises(DataError):
            record_outcome(question=question, intent=intent)


def test_it_measures_as_the_textbook_says() -> None:
    assert np.allclose(wilson(90, 100), (0.8256, 0.9448), atol=1e-3)
    assert wilson(0, 0) == (0.0, 1.0)
    assert auroc([1, 2, 3, 2, 4], [0, 0, 0, 1, 1]) == pytest.approx(0.75)
    found, wanted = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1])
    assert macro_f1(found, wanted, 3) == pytest.approx((2 / 3 + 0.8) / 2)
    shares = np.array([[0.9, 0.1]] * 10, np.float32)
    assert calibration_error(shares, np.array([0] * 9 + [1]), bins=1) == pytest.approx(0, abs=1e-6)
