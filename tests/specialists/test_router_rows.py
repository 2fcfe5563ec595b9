from __future__ import annotations

import json
from pathlib import Path

import pytest

from specialists.errors import DataError
from specialists.router.rows import read_labelled_set, read_rows, training_files
from tests.specialists.router_rows import TEXTS, rows_of, write_data, write_jsonl

SHIPPED = Path(__file__).parents[2] / "specialists" / "router" / "data"


def _refused(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_labelled_set(path, seed=1)
    return caught.value.public_message


def test_it_splits_each_label_and_keeps_the_parts_apart(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "mine.jsonl", rows_of(TEXTS, [f"thing {number}" for number in range(40)]))
    found = read_labelled_set(path, seed=3)
    assert (len(found.train), len(found.dev), len(found.test)) == (96, 12, 12)
    parts = [{row.key for row in part} for part in (found.train, found.dev, found.test)]
    assert not (parts[0] & parts[1] or parts[0] & parts[2] or parts[1] & parts[2])
    assert {row.label for row in found.test} == set(TEXTS)
    assert read_labelled_set(path, seed=3) == found
    assert read_labelled_set(path, seed=4).test != found.test


def test_it_leaves_out_training_rows_that_the_test_repeats_and_counts_them(tmp_path: Path) -> None:
    data = write_data(tmp_path / "data")
    repeated = {"text": "  WRITE a python function that parses the badge file!", "label": "code"}
    test = data / "intent.test.jsonl"
    test.write_text(test.read_text() + json.dumps(repeated) + "\n")
    found = read_labelled_set(data / "intent.train.jsonl", seed=7)
    assert found.repeated == 1
    assert len(found.dev) + len(found.train) == 23
    assert "write a python function that parses the badge file" not in {row.key for row in (*found.train, *found.dev)}


def test_it_reads_csv_and_clinc_with_the_texts_outside_all_labels(tmp_path: Path) -> None:
    table = tmp_path / "bank.csv"
    table.write_text("text,category\n" + "".join(f'"{row["text"]}",{row["label"]}\n' for row in rows_of(TEXTS)))
    assert read_labelled_set(table, seed=1).labels == ("code", "greeting", "how_to")
    pairs = [[row["text"], row["label"]] for row in rows_of(TEXTS)]
    content = {"train": pairs, "val": pairs[:2], "oos_train": [["who am I", "oos"]], "oos_val": [["a b", "oos"], ["c d", "oos"]]}
    clinc = tmp_path / "clinc.json"
    clinc.write_text(json.dumps(content))
    found = read_labelled_set(clinc, seed=1)
    assert (len(found.test), len(found.outside_train), len(found.outside_test)) == (2, 1, 2)
    assert "oos" not in found.labels


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{not json", "line 25: this is no JSON object"),
        ('["a", "b"]', "line 25: this is no JSON object"),
        ('{"label": "code"}', "line 25: the text is missing"),
        ('{"text": "?!", "label": "code"}', "line 25: the text is missing or has no words"),
        ('{"text": "Write it", "label": ""}', "line 25: the label is missing"),
        ('{"text": "Write it", "label": 3}', "line 25: the label is missing"),
    ],
)
def test_it_names_the_line_of_a_broken_row_and_the_remedy(tmp_path: Path, line: str, words: str) -> None:
    path = write_jsonl(tmp_path / "mine.jsonl", rows_of(TEXTS))
    path.write_text(path.read_text() + line + "\n")
    said = _refused(path)
    assert str(path) in said
    assert words in said
    assert said.endswith('{"text": "How do I …?", "label": "how_to"}.')


def test_it_refuses_what_it_cannot_learn_from_with_a_sentence(tmp_path: Path) -> None:
    one = write_jsonl(tmp_path / "one.jsonl", rows_of({"code": TEXTS["code"]}))
    assert "has 1 label; a router needs at least two" in _refused(one)
    few = write_jsonl(tmp_path / "few.jsonl", rows_of(TEXTS) + rows_of({"rare": "Please list {}"}, ["a", "b", "c"]))
    assert "fewer than 5 texts to train on for rare" in _refused(few)
    table = tmp_path / "wrong.csv"
    table.write_text("question,intent\nHow?,how_to\n")
    assert "line 1: the columns text and category are missing" in _refused(table)
    binary = tmp_path / "latin.jsonl"
    binary.write_bytes(b'{"text": "caf\xe9", "label": "x"}\n')
    assert "cannot be read as a UTF-8 text file" in _refused(binary)
    assert "neither .csv, .json nor .jsonl" in _refused(Path(__file__))
    with pytest.raises(DataError, match="There is no file or folder"):
        training_files(tmp_path / "absent")
    data = write_data(tmp_path / "data")
    write_jsonl(data / "intent.test.jsonl", [{"text": "Tell a joke", "label": "jokes"}])
    assert "have the label 'jokes', which no training text has" in _refused(data / "intent.train.jsonl")


@pytest.mark.parametrize("head", ["intent", "sentiment", "urgency"])
def test_it_ships_training_and_test_texts_that_are_not_alike(head: str) -> None:
    """Word sets with more than three quarters in common would make the held-out figures too good."""
    train, test = (read_rows(SHIPPED / f"{head}.{part}.jsonl") for part in ("train", "test"))
    assert len(test) >= 45
    assert len({row.key for row in train}) == len(train)
    known = [(set(row.key.split()), row.text) for row in train]
    alike = [
        (row.text, text)
        for row, words in ((row, set(row.key.split())) for row in test)
        for others, text in known
        if len(others & words) >= 0.76 * len(others | words)
    ]
    assert alike in ([], [("hello hello", "hello"), ("bye bye", "bye")])
