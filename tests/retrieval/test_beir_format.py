from __future__ import annotations

from pathlib import Path

import pytest

from retrieval.beir_format import BeirDocument, read_corpus, read_qrels, read_queries


def _file(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "file"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_it_reads_a_corpus(tmp_path: Path) -> None:
    rows = '{"_id": "a", "title": "Herons", "text": "They fish."}\n\n{"_id": 2, "text": "No title \\u2028 here"}\n'
    assert list(read_corpus(_file(tmp_path, "\ufeff" + rows))) == [
        BeirDocument("a", "Herons", "They fish."),
        BeirDocument("2", "", "No title \u2028 here"),
    ]


def test_it_reads_queries(tmp_path: Path) -> None:
    assert read_queries(_file(tmp_path, '{"_id": "q", "text": "who?", "metadata": {}}\n')) == {"q": "who?"}


@pytest.mark.parametrize(
    "content",
    [
        "query-id\tcorpus-id\tscore\nq1\td 1\t2\nq1\td2\t0\n",
        "q1\td 1\t2\r\nq1\td2\t0\r\n",
        "q1\t0\td 1\t2\nq1\tQ0\td2\t0\n",
    ],
)
def test_it_reads_qrels_with_and_without_a_header_and_in_four_columns(tmp_path: Path, content: str) -> None:
    assert read_qrels(_file(tmp_path, content)) == {"q1": {"d 1": 2, "d2": 0}}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"_id": "a", "text": "x"}\n{"_id": "a", "text": "y"}', "file:2: the _id 'a' is empty or was there before"),
        ('{"_id": "a", "text": "x"}\n{"_id": ', "file:2: not JSON"),
        ('{"_id": "a"}', "file:1: text is missing"),
        ('{"text": "a"}', "file:1: _id is missing"),
        ('{"_id": "a", "text": "x", "title": 5}', "file:1: title is missing or no text"),
        ("[1]", "file:1: not a JSON object"),
        (b'{"_id": "a", "text": "\xff"}', "file:1: not UTF-8"),
    ],
)
def test_it_names_the_bad_line_of_a_corpus(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        list(read_corpus(_file(tmp_path, content)))


@pytest.mark.parametrize(
    ("content", "message"),
    [("q1\td1\t1\nq1\td1", "file:2: expected"), ("q1\td1\thigh", "file:1: the grade 'high'"), ("only", "file:1: expected")],
)
def test_it_names_the_bad_line_of_qrels(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_qrels(_file(tmp_path, content))
