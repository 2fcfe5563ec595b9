from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from retrieval import building
from retrieval.building import complete, drop, install_embedder, missing_count, promote
from retrieval.builds import FILE, Build, embedder_of, flipping, model_folder, not_flipping, read_builds, serving_build
from retrieval.embedders import get_embedder
from retrieval.errors import RetrievalError
from retrieval.indexes.faiss_cpu import FaissCpuIndex
from retrieval.indexing import check_partition, partition_ids, remove_passages, write_passages
from retrieval.partitions import dense_folder, open_dense
from retrieval.passages import Passage
from retrieval.search import search
from tests.environment import ROOT
from tests.retrieval.embedders import HashingEmbedder
from tests.retrieval.models import fake_model
from tests.retrieval.writing import found

TEXTS = {number: f"heron number{number}" for number in range(50)}


class Corpus:
    """The texts of the passages, as the database has them."""

    def __init__(self) -> None:
        self.texts: dict[int, str] = {}

    def write(self, partition: str, texts: dict[int, str]) -> None:
        from retrieval.builds import get_search_embedder

        self.texts |= texts
        vectors = get_search_embedder().embed_passages(list(texts.values()))
        write_passages(partition, add=[Passage(*item) for item in texts.items()], vectors=vectors)

    def passages_of(self, ids: Sequence[int]) -> list[Passage]:
        return [Passage(key, self.texts[key]) for key in ids if key in self.texts]

    def remove(self, partition: str, *ids: int) -> None:
        remove_passages(partition, ids)
        for key in ids:
            del self.texts[key]


@pytest.fixture
def corpus() -> Corpus:
    written = Corpus()
    written.write("partition-1", TEXTS)
    written.write("partition-2", {100: "an owl"})
    return written


@pytest.fixture
def green(settings: Any, tmp_path: Path) -> Build:
    settings.MODELS_DIR = tmp_path / "models"
    settings.MODELS_DIR.mkdir()
    return install_embedder(fake_model(tmp_path / "green"))


def _quiet(done: int, total: int) -> None:
    pass


def _ids(partition: str, build: Build) -> set[int]:
    opened = open_dense(partition, build)
    return set(opened.index.ids().tolist()) if opened else set()


def _embedded(build: Build) -> list[str]:
    embedder = embedder_of(build)
    assert isinstance(embedder, HashingEmbedder)
    return embedder.embedded


def test_it_builds_beside_what_serves_and_flips_and_goes_back(corpus: Corpus, green: Build, monkeypatch: Any) -> None:
    monkeypatch.setattr(building, "EMBEDDED_AT_ONCE", 20)
    before = found("heron number7", "partition-1", "partition-2")

    def meanwhile(done: int, total: int) -> None:
        if done == 20:
            assert serving_build() == Build()
            assert found("heron number7", "partition-1", "partition-2") == before
            corpus.write("partition-1", {200: "a kestrel"})
            corpus.remove("partition-1", 3, 45)

    complete(green, corpus.passages_of, meanwhile)
    assert _ids("partition-1", green) == set(corpus.texts) - {100, 200} - {3, 45}
    assert missing_count(green) == 1  # came in while the rest was embedded
    promote(green, corpus.passages_of, _quiet)
    assert serving_build().name == green.name
    assert _ids("partition-1", green) == set(corpus.texts) - {100}
    _embedded(green).clear()
    assert found("a kestrel", "partition-1", "partition-2")[0] == 200
    assert _embedded(green) == ["a kestrel"]
    assert check_partition("partition-1") is None

    corpus.write("partition-2", {300: "a swift"})
    assert _ids("partition-2", Build()) == {100}
    promote(Build(), corpus.passages_of, _quiet)  # back, with what came in since
    assert serving_build() == Build()
    assert partition_ids("partition-2") == ({100, 300}, {100, 300})
    assert found("a swift", "partition-2")[0] == 300
    assert (read_builds().serving, read_builds().previous) == ("", green.name)


def test_it_never_shows_a_forbidden_passage_however_near(corpus: Corpus, green: Build, monkeypatch: Any) -> None:
    """The canary: word for word the question, in a partition that is not searched."""
    monkeypatch.setattr(building, "EMBEDDED_AT_ONCE", 20)
    corpus.write("partition-9", {999: "what does the canary know"})
    seen = []

    def look(done: int = 0, total: int = 0) -> None:
        result = search("what does the canary know", scope=["partition-1", "partition-2"], top_k=60)
        seen.append({hit.id for hit in (*result.hits, *result.dense, *result.lexical)})

    complete(green, corpus.passages_of, look)
    promote(green, corpus.passages_of, look)
    look()
    promote(Build(), corpus.passages_of, look)
    look()
    assert len(seen) > 6
    assert all(ids and 999 not in ids for ids in seen)
    assert found("what does the canary know", "partition-9") == [999]


KILLED = """
import os, sys
import django; django.setup()
from pathlib import Path
from django.conf import settings
settings.INDEXES_DIR, settings.MODELS_DIR = Path(sys.argv[1]), Path(sys.argv[2])
settings.EMBEDDER = {"BACKEND": "tests.retrieval.embedders.HashingEmbedder", "OPTIONS": {}}
from retrieval import building, builds
from retrieval.passages import Passage
building.EMBEDDED_AT_ONCE = 10
def kill(*args, **options): os.kill(os.getpid(), 9)
def passages_of(ids): return [Passage(key, "an owl" if key == 100 else f"heron number{key}") for key in ids]
build = builds.read_builds().get(sys.argv[3])
if sys.argv[4] == "building":
    building.complete(build, passages_of, lambda done, total: kill() if done == 30 else None)
if sys.argv[4] == "flipping":
    building.serve = kill
if sys.argv[4] == "saving":
    building.save_dense = kill
building.promote(build, passages_of, lambda *_: None)
"""


def _in_another_process(settings: Any, build: Build, *, killed: str) -> int:
    command = [sys.executable, "-c", KILLED, str(settings.INDEXES_DIR), str(settings.MODELS_DIR), build.name, killed]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def test_it_goes_on_after_kill_9_where_it_was(corpus: Corpus, green: Build, settings: Any) -> None:
    for killed in ("saving", "building", "flipping"):
        assert _in_another_process(settings, green, killed=killed) == -9
        assert serving_build() == Build()
        assert found("heron number7", "partition-1")[0] == 7
        corpus.write("partition-2", {100: "an owl"})  # no lock is left behind
        if killed == "building":
            assert len(_ids("partition-1", green)) == 30
            _embedded(green).clear()
            complete(green, corpus.passages_of, _quiet)
            assert len(_embedded(green)) == 51 - 30
    promote(green, corpus.passages_of, _quiet)
    assert partition_ids("partition-1")[0] == set(TEXTS)


def test_a_process_that_runs_already_notices_the_flip(corpus: Corpus, green: Build, settings: Any) -> None:
    assert found("heron number7", "partition-1")[0] == 7
    assert _in_another_process(settings, green, killed="") == 0
    _embedded(green).clear()
    assert found("heron number8", "partition-1")[0] == 8
    assert _embedded(green) == ["heron number8"]


def test_it_refuses_vectors_of_the_embedder_that_served_when_they_were_made(corpus: Corpus, green: Build) -> None:
    old = get_embedder()
    vectors = old.embed_passages(["a kestrel"])
    promote(green, corpus.passages_of, _quiet)
    with pytest.raises(RetrievalError, match="embedder_changed"):
        write_passages("partition-1", add=[Passage(200, "a kestrel")], vectors=vectors, embedder=old.name)
    assert 200 not in partition_ids("partition-1")[1]


def test_its_first_searches_are_as_quick_as_the_old_ones(settings: Any, corpus: Corpus, green: Build) -> None:
    settings.VECTOR_INDEX = {"BACKEND": "tests.retrieval.test_segments.InvertedIndex", "OPTIONS": {}}
    complete(green, corpus.passages_of, _quiet)
    opened = open_dense("partition-1", green)
    assert isinstance(opened and opened.index, FaissCpuIndex)
    assert [part.segment.inverted is not None for part in opened.index._parts] == [True]


def test_what_is_deleted_leaves_every_build(corpus: Corpus, green: Build) -> None:
    complete(green, corpus.passages_of, _quiet)
    corpus.remove("partition-1", 7)
    vectors = get_embedder().embed_passages(["a kestrel"])
    write_passages("partition-1", add=[Passage(200, "a kestrel")], vectors=vectors, remove=[8])
    assert _ids("partition-1", green) == set(TEXTS) - {7, 8}
    promote(green, corpus.passages_of, _quiet)
    corpus.remove("partition-1", 9)
    assert 9 not in _ids("partition-1", Build())


def test_it_writes_a_damaged_build_anew_and_goes_on_serving(corpus: Corpus, green: Build) -> None:
    complete(green, corpus.passages_of, _quiet)
    folder = dense_folder("partition-1", green)
    for path in folder.iterdir():
        path.write_bytes(path.read_bytes()[:-9])
    from retrieval.partitions import _dense

    _dense._entries.clear()
    corpus.remove("partition-1", 7)
    assert found("heron number8", "partition-1")[0] == 8
    promote(green, corpus.passages_of, _quiet)
    assert partition_ids("partition-1")[0] == set(TEXTS) - {7}
    assert check_partition("partition-1") is None


def test_it_does_not_flip_what_is_not_complete(corpus: Corpus, green: Build, monkeypatch: Any) -> None:
    monkeypatch.setattr(building, "_bring_over_all", lambda *args, **options: None)
    monkeypatch.setattr(building, "ROUNDS", 2)
    monkeypatch.setattr(building, "LEFT_TO_THE_FLIP", 10)
    with pytest.raises(RetrievalError, match="build_behind"):
        promote(green, corpus.passages_of, _quiet)
    assert serving_build() == Build()


def test_it_drops_a_build_that_does_not_serve_and_no_other(corpus: Corpus, green: Build) -> None:
    promote(green, corpus.passages_of, _quiet)
    for name, code in ((green.name, "build_serves"), ("", "build_base")):
        with pytest.raises(RetrievalError, match=code):
            drop(read_builds().get(name))
    promote(Build(), corpus.passages_of, _quiet)
    drop(green)
    assert not dense_folder("partition-1", green).exists()
    assert not model_folder(green.name).exists()
    with pytest.raises(RetrievalError, match="build_unknown"):
        read_builds().get(green.name)
    assert found("heron number7", "partition-1")[0] == 7


def test_it_lets_one_at_a_time_build(corpus: Corpus, green: Build) -> None:
    def again(done: int, total: int) -> None:
        with pytest.raises(RetrievalError, match="build_busy"):
            complete(green, corpus.passages_of, _quiet)

    complete(green, corpus.passages_of, again)


def test_who_promotes_waits_for_those_who_write_and_not_for_those_who_come_later(settings: Any, tmp_path: Path) -> None:
    settings.INDEXES_DIR = tmp_path / "indexes"
    has_flipped = threading.Event()

    def flip() -> None:
        with flipping(wait_s=60):
            has_flipped.set()

    def begin_to_write() -> ExitStack:
        stack = ExitStack()
        stack.enter_context(not_flipping(wait_s=0))
        return stack

    writer, thread = begin_to_write(), threading.Thread(target=flip)
    thread.start()
    for _ in range(300):  # each writer begins before the one before it ends
        try:
            following = begin_to_write()
        except RetrievalError:
            break
        writer.close()
        writer = following
        has_flipped.wait(0.01)
    else:
        pytest.fail("writers overtake who promotes without end")
    assert not has_flipped.is_set()
    with pytest.raises(RetrievalError, match="still being written into the search index") as raised, flipping(wait_s=0):
        pass
    assert raised.value.code == "index_busy"
    writer.close()
    thread.join(60)
    assert has_flipped.is_set()
    begin_to_write().close()


def test_it_says_what_to_do_when_the_file_of_builds_is_damaged(corpus: Corpus, settings: Any) -> None:
    (settings.INDEXES_DIR / FILE).write_text('{"serving": "gone"}')
    with pytest.raises(RetrievalError, match="builds_corrupt"):
        found("heron number7", "partition-1")


def test_it_refuses_a_folder_that_is_no_model(settings: Any, tmp_path: Path) -> None:
    settings.MODELS_DIR = tmp_path
    with pytest.raises(RetrievalError, match="embedder_unknown"):
        install_embedder(tmp_path / "nothing")


def test_the_same_weights_are_the_same_build(green: Build, tmp_path: Path) -> None:
    assert install_embedder(tmp_path / "green") == green
    other = install_embedder(fake_model(tmp_path / "blue"))
    assert other.name != green.name
    vectors = [embedder_of(build).embed_queries(["heron"]) for build in (green, other)]
    assert not np.allclose(*vectors)
