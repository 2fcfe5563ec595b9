"""BM25 in Milvus: what tantivy finds, in one partition only, there and back. milvus-lite runs it in this process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from retrieval import copying
from retrieval.copying import copy_words
from retrieval.errors import RetrievalError
from retrieval.indexing import check_partition, drop_partition, partition_ids, remove_passages, write_passages
from retrieval.lexical import LexicalSnapshot, write_lexical
from retrieval.lexical_milvus import MilvusWords, new_words, passage_tokens
from retrieval.milvus_client import milvus
from retrieval.partitions import LEXICAL, partition_folder
from retrieval.passages import Passage
from retrieval.search import search
from retrieval.terms import read_query
from retrieval.words import open_words
from tests.environment import ROOT
from tests.retrieval.embedders import DIMENSION
from tests.retrieval.writing import found, write

pytestmark = pytest.mark.skipif(find_spec("milvus_lite") is None, reason="milvus-lite is not installed (requirements-milvus.txt)")
PASSAGES = [
    Passage(1, "Parental leave lasts eighteen weeks at full pay and can be taken in up to three parts.", "Leave policy"),
    Passage(2, "Annual leave is counted in days. The gateway is closed during it.", "Calendar"),
    Passage(3, "The gateway answers ERR_4021 when it is full; call getUserById again.", "Gateway"),
    Passage(4, "Errors of the gateway are numbered from 4000.", "Gateway"),
    Passage(5, "休暇は年に二十日です。", "規程"),
    Passage(6, "Das Café in der Straße öffnet um acht.", "Kantine"),
    Passage(7, "Discounts above 15 percent need an approval of the director.", "Discount rules"),
    Passage(8, "The director approves nothing in August, and no discounts.", "Calendar"),
]
TEXTS = {number: f"heron number{number}" for number in range(50)}


@pytest.fixture(autouse=True)
def in_milvus(settings: Any, tmp_path: Path) -> None:
    settings.MILVUS = {**settings.MILVUS, "uri": str(tmp_path / "milvus.db")}
    settings.VECTOR_INDEX = {"BACKEND": "retrieval.indexes.milvus.MilvusIndex", "OPTIONS": {}}


def words_of(partition: str) -> MilvusWords | LexicalSnapshot | None:
    return open_words(partition_folder(partition) / LEXICAL)


def read(ids: Sequence[int]) -> list[Passage]:
    return [Passage(number, TEXTS[number]) for number in ids if number in TEXTS]


def copy(to_milvus: bool, progress: Any = lambda done: None) -> bool:
    return copy_words("partition-1", to_milvus=to_milvus, read=read, progress=progress)


@pytest.mark.parametrize(
    ("question", "first"),
    [
        ("how long is parental leave", 1), ("annual leave", 2), ("ERR_4021", 3), ("err_4021 gateway", 3), ("user by id", 3),
        ("gateway errors", 4), ("休暇", 5), ("cafe strasse", 6), ("CAFÉ", 6), ("approval of discounts", 7),
        ("calendar director", 8),
    ],
)  # fmt: skip
def test_it_finds_first_what_tantivy_finds_first(tmp_path: Path, question: str, first: int) -> None:
    write_lexical(tmp_path, add=PASSAGES, remove=[])
    in_files = open_words(tmp_path)
    assert in_files is not None
    clauses = read_query(question)
    assert in_files.search(clauses, 3)[0].id == first
    assert new_words().write(PASSAGES, []).search(clauses, 3)[0].id == first


def test_it_finds_nothing_of_another_partition() -> None:
    """The forbidden passage is the nearest of all, and there are more of them than are asked for."""
    forbidden = new_words().write([Passage(number, "merger merger") for number in range(100, 300)], [])
    allowed = new_words().write([Passage(1, "a long text about the merger of two words"), Passage(2, "nothing")], [])
    clauses = read_query("merger")
    assert [hit.id for hit in allowed.search(clauses, 100)] == [1]
    assert len(forbidden.search(clauses, 100)) == 100
    assert allowed.search(clauses, 100, only={100, 101}) == []
    assert [hit.id for hit in forbidden.search(clauses, 100, only={100, 101, 1})] == [100, 101]


def test_it_narrows_to_more_passages_than_milvus_takes_at_once(monkeypatch: Any) -> None:
    monkeypatch.setattr("retrieval.lexical_milvus.READ_AT_ONCE", 3)
    words = new_words().write([Passage(number, "heron " * (1 + number)) for number in range(20)], [])
    every = [hit.id for hit in words.search(read_query("heron"), 20)]
    assert [hit.id for hit in words.search(read_query("heron"), 20, only=set(range(4, 12)))] == [
        number for number in every if 4 <= number < 12
    ]
    assert words.ids() == set(range(20))
    assert words.write([], range(10)).ids() == set(range(10, 20))


@pytest.mark.parametrize("question", ["", "the of and", "x", "?", "🙂", '"leave AND (', "leave " * 20_000, "\u202e", "\ud800"])
def test_it_takes_every_question(question: str) -> None:
    assert isinstance(new_words().write(PASSAGES, []).search(read_query(question), 3), list)


def test_it_takes_a_passage_of_any_length() -> None:
    long = Passage(1, " ".join(f"word{number}" for number in range(20_000)) + " kestrel", "A title")
    assert len(passage_tokens(long)) <= 65_535
    words = new_words().write([long, Passage(2, ""), Passage(3, "\ud800 \x00")], [])
    assert len(words) == 3 and [hit.id for hit in words.search(read_query("word17"), 3)] == [1]


def test_a_new_partition_has_vectors_and_words_in_milvus() -> None:
    write("partition-1", TEXTS)
    assert isinstance(words_of("partition-1"), MilvusWords)
    assert found("heron number7", "partition-1")[0] == 7
    write("partition-1", {7: "an owl"}, remove=(8,))
    assert found("owl", "partition-1")[0] == 7
    remove_passages("partition-1", [9, 10])
    assert partition_ids("partition-1") == (set(TEXTS) - {8, 9, 10}, set(TEXTS) - {8, 9, 10})
    assert check_partition("partition-1") is None
    words = words_of("partition-1")
    assert isinstance(words, MilvusWords) and len(words) == 47 == words.counted()
    drop_partition("partition-1")
    assert words.counted() == 0 and words_of("partition-1") is None


@pytest.mark.parametrize(("kind", "parameters"), [("IVF_FLAT", {"nlist": 4}), ("FLAT", {})])
def test_it_makes_the_index_of_vectors_that_the_settings_name(settings: Any, kind: str, parameters: dict[str, int]) -> None:
    settings.MILVUS = {**settings.MILVUS, "index_type": kind, "index_params": parameters}
    write("partition-1", TEXTS)
    described = milvus().describe_index(f"{settings.MILVUS['collection']}_{DIMENSION}", "vector")
    assert described["index_type"] == kind
    assert found("heron number7", "partition-1")[0] == 7


def test_it_searches_partitions_in_files_and_in_milvus_together(settings: Any) -> None:
    write("partition-1", {1: "the heron number1"})
    settings.VECTOR_INDEX = {"BACKEND": "retrieval.indexes.faiss_cpu.FaissCpuIndex", "OPTIONS": {}}
    write("partition-2", {2: "the heron number2"})
    assert isinstance(words_of("partition-2"), LexicalSnapshot)
    lexical = search("heron", scope=["partition-1", "partition-2"]).lexical
    assert {hit.id for hit in lexical} == {1, 2}


def test_it_moves_there_and_back_and_brings_over_what_is_written_meanwhile(settings: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(copying, "WORDS_AT_ONCE", 20)
    settings.VECTOR_INDEX = {"BACKEND": "retrieval.indexes.faiss_cpu.FaissCpuIndex", "OPTIONS": {}}
    write("partition-1", TEXTS)
    expected = {*TEXTS, 200} - {3, 45}

    def meanwhile(done: int) -> None:
        if done == 20 and 200 not in partition_ids("partition-1")[1]:
            monkeypatch.setitem(TEXTS, 200, "a kestrel")
            write("partition-1", {200: "a kestrel"})
            remove_passages("partition-1", [3, 45])

    assert copy(True, meanwhile) and isinstance(words_of("partition-1"), MilvusWords)
    assert partition_ids("partition-1") == (expected, expected) and found("kestrel", "partition-1")[0] == 200
    assert [file.name for file in (partition_folder("partition-1") / LEXICAL).iterdir()] == ["milvus.json"]
    assert not copy(True)
    left = words_of("partition-1")
    assert copy(False) and isinstance(words_of("partition-1"), LexicalSnapshot)
    assert partition_ids("partition-1") == (expected, expected) and found("kestrel", "partition-1")[0] == 200
    assert isinstance(left, MilvusWords) and left.counted() == 0
    assert not copy(False)


KILLED = """
import os, sys
import django; django.setup()
from pathlib import Path
from django.conf import settings
settings.INDEXES_DIR = Path(sys.argv[1])
settings.MILVUS = {**settings.MILVUS, "uri": sys.argv[2]}
from retrieval import copying
from retrieval.passages import Passage
copying.WORDS_AT_ONCE = 10
copying.copy_words("partition-1", to_milvus=sys.argv[3] == "1", read=lambda ids: [Passage(n, f"heron number{n}") for n in ids],
                   progress=lambda done: os.kill(os.getpid(), 9) if done == 30 else None)
"""


@pytest.mark.slow
@pytest.mark.parametrize("to_milvus", [True, False])
def test_it_goes_on_where_it_was_killed(settings: Any, to_milvus: bool) -> None:
    if to_milvus:
        settings.VECTOR_INDEX = {"BACKEND": "retrieval.indexes.faiss_cpu.FaissCpuIndex", "OPTIONS": {}}
    uri = settings.MILVUS["uri"]
    settings.MILVUS = {**settings.MILVUS, "uri": f"{uri}.other.db"}  # one process at a time has a file of milvus-lite's
    prepare = f"""
import django; django.setup()
from pathlib import Path
from django.conf import settings
settings.INDEXES_DIR, settings.EMBEDDER = Path({str(settings.INDEXES_DIR)!r}), {settings.EMBEDDER!r}
settings.VECTOR_INDEX = {settings.VECTOR_INDEX!r}
settings.MILVUS = {{**settings.MILVUS, "uri": {uri!r}}}
from tests.retrieval.writing import write
write("partition-1", {TEXTS!r})
"""
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings"}
    subprocess.run([sys.executable, "-c", prepare], cwd=ROOT, env=environment, check=True, timeout=300)
    command = [sys.executable, "-c", KILLED, str(settings.INDEXES_DIR), uri, str(int(to_milvus))]
    assert subprocess.run(command, cwd=ROOT, env=environment, check=False, timeout=300).returncode == -9
    settings.MILVUS = {**settings.MILVUS, "uri": uri}
    assert isinstance(words_of("partition-1"), LexicalSnapshot if to_milvus else MilvusWords), "the old ones serve"
    seen: list[int] = []
    assert copy(to_milvus, seen.append)
    assert seen[0] == 30
    assert partition_ids("partition-1") == (set(TEXTS), set(TEXTS)) and found("heron number7", "partition-1")[0] == 7


def refuse(*_: Iterable[Any], **__: Any) -> Any:
    from pymilvus.exceptions import MilvusException

    raise MilvusException(code=2, message="connection refused")


def test_it_says_when_milvus_does_not_answer(monkeypatch: Any) -> None:
    write("partition-1", TEXTS)
    monkeypatch.setattr("pymilvus.MilvusClient.search", refuse)
    with pytest.raises(RetrievalError, match="did not answer") as refused:
        found("heron", "partition-1")
    assert refused.value.code == "index_unreachable" and not refused.value.permanent
    monkeypatch.setattr("pymilvus.MilvusClient.upsert", refuse)
    with pytest.raises(RetrievalError, match="did not answer"):
        write("partition-1", {99: "an owl"})
    assert 99 not in partition_ids("partition-1")[0]


def test_it_says_when_milvus_goes_away_in_the_middle_of_a_list(monkeypatch: Any) -> None:
    write("partition-1", TEXTS)
    monkeypatch.setattr("pymilvus.client.iterator.query_iterator.QueryIterator.next", refuse)
    with pytest.raises(RetrievalError, match="did not answer"):
        partition_ids("partition-1")


def test_it_keeps_a_partition_that_was_emptied() -> None:
    write("partition-1", {1: "an owl"})
    before = words_of("partition-1")
    remove_passages("partition-1", [1])
    words = words_of("partition-1")
    assert isinstance(before, MilvusWords) and isinstance(words, MilvusWords) and len(words) == 0
    assert found("owl", "partition-1") == [] and check_partition("partition-1") is None
    write("partition-1", {2: "a heron"})
    words = words_of("partition-1")
    assert isinstance(words, MilvusWords) and (words.key, len(words)) == (before.key, 1)


def interrupt(_: Any) -> int:
    raise KeyboardInterrupt


def test_it_announces_a_partition_before_its_rows(monkeypatch: Any) -> None:
    """Whatever ends the first write, the next writer finds what it left."""
    with monkeypatch.context() as broken:
        broken.setattr(MilvusWords, "counted", interrupt)  # its rows are there then
        with pytest.raises(KeyboardInterrupt):
            write("partition-1", {1: "an owl"})
    left = words_of("partition-1")
    assert isinstance(left, MilvusWords) and left.counted() == 1
    write("partition-1", {2: "a heron"})
    words = words_of("partition-1")
    assert isinstance(words, MilvusWords) and (words.key, len(words)) == (left.key, 2)


def test_it_refuses_a_pointer_that_was_altered() -> None:
    write("partition-1", TEXTS)
    (partition_folder("partition-1") / LEXICAL / "milvus.json").write_text('{"collection": "x", "key": "no uuid", "count": 3}')
    assert check_partition("partition-1") is not None
    with pytest.raises(RetrievalError, match="damaged"):
        write_passages("partition-1", add=[], vectors=None, remove=[1])  # type: ignore[arg-type]
