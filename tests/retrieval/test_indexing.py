from __future__ import annotations

import fcntl
import os
import shutil
import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from retrieval import partitions
from retrieval.embedders import get_embedder
from retrieval.errors import RetrievalError
from retrieval.indexes import index_class
from retrieval.indexing import (
    check_partition,
    drop_partition,
    list_partitions,
    partition_ids,
    remove_passages,
    stored_vectors,
    write_passages,
)
from retrieval.passages import Passage
from retrieval.search import search
from tests.retrieval.writing import found, start_writer, write


def _flip_a_byte(path: Path, where: float = 0.5) -> None:
    content = bytearray(path.read_bytes())
    content[int(len(content) * where)] ^= 0xFF
    path.write_bytes(content)


def _copy_folder(settings: Any, name: str) -> Path:
    """The partition under another name, as a process sees it that has nothing in memory."""
    fresh = Path(settings.INDEXES_DIR) / f"{name}-fresh"
    shutil.copytree(Path(settings.INDEXES_DIR) / name, fresh)
    return fresh


def partition_lexical(question: str) -> list[int]:
    return [hit.id for hit in search(question, scope=["partition-1"]).lexical]


def test_it_takes_over_no_vectors_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are embedded anew, and the worker goes on."""

    def refuse(*args: object) -> None:
        raise RetrievalError("index_corrupt", "It was changed.")

    write("partition-1", {1: "a heron"})
    name = get_embedder().name
    assert set(stored_vectors("partition-1", [1, 2], embedder=name)) == {1}
    monkeypatch.setattr(index_class(), "read", refuse)
    assert stored_vectors("partition-1", [1, 2], embedder=name) == {}


def test_it_replaces_a_passage_that_is_written_again() -> None:
    write("partition-1", {1: "the old heron", 2: "an owl"})
    write("partition-1", {1: "the new falcon"})
    assert partition_ids("partition-1") == ({1, 2}, {1, 2})
    assert found("falcon", "partition-1")[0] == 1
    assert partition_lexical("heron") == []


def test_it_removes_and_adds_in_one_write() -> None:
    write("partition-1", {1: "heron", 2: "owl"})
    write("partition-1", {3: "falcon"}, remove=(1,))
    assert partition_ids("partition-1") == ({2, 3}, {2, 3})


def test_it_keeps_a_passage_that_is_both_added_and_removed() -> None:
    write("partition-1", {1: "heron"}, remove=(1,))
    assert partition_ids("partition-1") == ({1}, {1})


def test_it_removes_passages_and_ignores_unknown_ids() -> None:
    write("partition-1", {1: "heron", 2: "owl"})
    remove_passages("partition-1", [2, 99])
    remove_passages("partition-2", [1])
    assert partition_ids("partition-1") == ({1}, {1})
    assert list_partitions() == ["partition-1"]


def test_it_drops_a_partition_so_that_nothing_of_it_answers() -> None:
    write("partition-1", {1: "heron"})
    assert found("heron", "partition-1") == [1]
    drop_partition("partition-1")
    assert found("heron", "partition-1") == []
    assert list_partitions() == []
    assert partition_ids("partition-1") == (set(), set())
    write("partition-1", {2: "heron"})
    assert found("heron", "partition-1") == [2]


@pytest.mark.parametrize("name", ["../outside", "", "a/b", ".hidden", "Ä", "a" * 81, "partition-1\n"])
def test_it_refuses_a_name_that_is_no_partition_key(name: str) -> None:
    with pytest.raises(ValueError, match="partition key"):
        write(name, {1: "heron"})


@pytest.mark.parametrize("ids", [(1, 1), (-1, 2)])
def test_it_refuses_ids_that_cannot_be_kept_apart_and_writes_nothing(ids: tuple[int, int]) -> None:
    vectors = get_embedder().embed_passages(["a", "b"])
    with pytest.raises(ValueError, match="id is"):
        write_passages("partition-1", add=[Passage(number, "text") for number in ids], vectors=vectors)
    assert list_partitions() == []


def test_it_refuses_vectors_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="rows of dimension"):
        write_passages("partition-1", add=[Passage(1, "text")], vectors=np.ones((2, 64), np.float32))
    with pytest.raises(ValueError, match="not finite"):
        write_passages("partition-1", add=[Passage(1, "text")], vectors=np.full((1, 64), np.nan, np.float32))


def test_it_keeps_one_generation_of_vectors_on_disk(settings: Any) -> None:
    for number in range(4):
        write("partition-1", {number: "heron"})
    assert [path.name for path in (settings.INDEXES_DIR / "partition-1").glob("*vectors*")] == ["vectors-00000004.faiss"]


@pytest.mark.parametrize("where", [0.1, 0.5, 0.95])
def test_it_refuses_flipped_vectors(settings: Any, where: float) -> None:
    write("partition-1", {1: "heron", 2: "owl"})
    fresh = _copy_folder(settings, "partition-1")
    _flip_a_byte(next(fresh.glob("vectors-*")), where)
    for act in (lambda: found("heron", fresh.name), lambda: write(fresh.name, {3: "owl"})):
        with pytest.raises(RetrievalError) as caught:
            act()
        assert caught.value.code == "index_corrupt"
        assert caught.value.permanent
    assert "damaged" in (check_partition(fresh.name) or "")


@pytest.mark.parametrize("suffix", ["idx", "term", "fast", "fieldnorm"])
def test_it_refuses_flipped_bm25_files(settings: Any, suffix: str) -> None:
    write("partition-1", {1: "heron", 2: "owl"})
    fresh = _copy_folder(settings, "partition-1")
    _flip_a_byte(next((fresh / "lexical").glob(f"*.{suffix}")), 0.1)
    for act in (lambda: found("heron", fresh.name), lambda: write(fresh.name, {3: "owl"})):
        with pytest.raises(RetrievalError, match="index_corrupt"):
            act()
    assert "damaged" in (check_partition(fresh.name) or "")


@pytest.mark.parametrize("lost", ["manifest.json", "lexical/meta.json", "vectors-00000001.faiss"])
def test_it_refuses_a_torn_or_lost_file(settings: Any, lost: str) -> None:
    write("partition-1", {1: "heron"})
    torn = _copy_folder(settings, "partition-1")
    (torn / lost).write_bytes((torn / lost).read_bytes()[:20])
    with pytest.raises(RetrievalError, match="index_corrupt"):
        found("heron", torn.name)
    if lost != "manifest.json":
        (torn / lost).unlink()
        with pytest.raises(RetrievalError, match="index_corrupt"):
            found("heron", torn.name)


def test_it_goes_on_answering_from_the_generation_in_memory(settings: Any) -> None:
    write("partition-1", {1: "heron"})
    assert found("heron", "partition-1") == [1]
    folder = settings.INDEXES_DIR / "partition-1"
    _flip_a_byte(folder / "vectors-00000001.faiss")
    os.utime(folder / "manifest.json")
    assert found("heron", "partition-1") == [1]
    assert check_partition("partition-1") is not None


def test_it_heals_by_dropping_and_writing_anew(settings: Any) -> None:
    write("partition-1", {1: "heron"})
    _flip_a_byte(settings.INDEXES_DIR / "partition-1" / "vectors-00000001.faiss")
    drop_partition("partition-1")
    write("partition-1", {1: "heron"})
    assert check_partition("partition-1") is None
    assert found("heron", "partition-1") == [1]


def test_it_refuses_an_index_of_another_embedder(settings: Any) -> None:
    write("partition-1", {1: "heron"})
    settings.EMBEDDER = {"BACKEND": "tests.retrieval.embedders.HashingEmbedder", "OPTIONS": {"name": "another"}}
    for act in (lambda: found("heron", "partition-1"), lambda: write("partition-1", {2: "owl"})):
        with pytest.raises(RetrievalError, match="index_other_embedder"):
            act()
    assert "another embedding model" in (check_partition("partition-1") or "")
    remove_passages("partition-1", [1])
    assert partition_ids("partition-1") == (set(), set())


def test_it_says_busy_when_another_writer_holds_the_partition(settings: Any) -> None:
    with (settings.INDEXES_DIR / "partition-1.lock").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(RetrievalError) as caught:
            remove_passages("partition-1", [1], wait_s=0)
    assert caught.value.code == "index_busy"
    assert not caught.value.permanent
    write("partition-1", {1: "heron"})


class _Killed(BaseException):
    """Stands for the end of the process: nothing may catch it and tidy up."""


@pytest.mark.parametrize("step", ["save", "fsync_path", "sha256_of", "write_atomically"])
def test_it_leaves_the_old_generation_when_it_dies_at_any_step(settings: Any, monkeypatch: Any, step: str) -> None:
    write("partition-1", {1: "heron"})

    def die(*_args: Any, **_kwargs: Any) -> None:
        raise _Killed

    with monkeypatch.context() as patch:
        target = index_class() if step == "save" else partitions
        if step == "sha256_of":  # the first call is the reading of the old generation
            calls = iter([partitions.sha256_of, die])
            patch.setattr(target, step, lambda path: next(calls)(path))
        else:
            patch.setattr(target, step, die)
        with pytest.raises(_Killed):
            write("partition-1", {2: "owl"})
    fresh = _copy_folder(settings, "partition-1")
    assert check_partition(fresh.name) is None
    assert partition_ids(fresh.name)[0] == {1}
    write("partition-1", {2: "owl"})
    assert partition_ids("partition-1") == ({1, 2}, {1, 2})
    assert len(list((settings.INDEXES_DIR / "partition-1").glob("*vectors*"))) == 1


def test_it_shows_a_reader_what_another_process_has_written(settings: Any) -> None:
    write("partition-1", {1: "heron"})
    assert found("kestrel", "partition-1", top_k=1) == [1]
    assert partition_ids("partition-1") == ({1}, {1})
    with start_writer(settings.INDEXES_DIR, "partition-1", 2) as process:
        assert process.wait(60) == 0
    dense, lexical = partition_ids("partition-1")
    assert dense == lexical
    assert len(dense) == 201
    assert found("kestrel generation2", "partition-1", top_k=1) == [1]


@pytest.mark.parametrize("after", [1, 2, 3, 5])
def test_it_survives_kill_9_of_the_writer(settings: Any, after: int) -> None:
    with start_writer(settings.INDEXES_DIR, "partition-1", 1000) as process:
        assert process.stdout is not None
        for _ in range(after):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    assert check_partition("partition-1") is None
    dense, lexical = partition_ids("partition-1")
    assert len(dense) >= 100 * after + 1
    assert dense <= lexical
    assert found("kestrel", "partition-1", top_k=1) == [1]
    write("partition-1", {1: "kestrel rewritten"})
    assert found("rewritten", "partition-1", top_k=1) == [1]


def test_it_lets_readers_search_while_a_writer_writes() -> None:
    write("partition-1", {1: "kestrel", 2: "owl"})
    problems: list[BaseException] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            try:
                assert found("kestrel", "partition-1")[0] == 1
            except BaseException as error:  # noqa: BLE001 - whatever a reader's thread meets must fail the test
                problems.append(error)
                return

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for number in range(10, 25):
        write("partition-1", {number: f"sparrow {number}"})
    done.set()
    for reader in readers:
        reader.join(30)
    assert problems == []
