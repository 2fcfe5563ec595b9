from __future__ import annotations

import os
import random
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import retrieval.search as search_module
from retrieval.errors import RetrievalError
from retrieval.indexes import faiss_cpu, milvus, segments
from retrieval.indexes.exact import ExactIndex
from retrieval.indexes.faiss_cpu import FaissCpuIndex
from retrieval.indexes.faiss_gpu import FaissGpuIndex
from retrieval.indexes.milvus import MilvusIndex
from retrieval.indexing import check_partition, compact_partition, partition_ids, remove_passages, write_passages
from retrieval.partitions import open_dense
from retrieval.passages import Passage
from retrieval.search import search
from tests.environment import ROOT
from tests.retrieval.embedders import DIMENSION
from tests.retrieval.gpu_indexes import STAND_INS, few_rows_will_do
from tests.retrieval.writing import found, start_writer, write


class InvertedIndex(FaissCpuIndex):
    """An inverted file from forty rows on, read until all of the ten nearest are found."""

    exact_rows = 40
    least_recall = 1.0


def _has_gpu() -> bool:
    import faiss

    return hasattr(faiss, "StandardGpuResources") and faiss.get_num_gpus() > 0


NEEDS_GPU = pytest.mark.skipif("not _has_gpu()", reason="FAISS sees no graphics processor here (it needs requirements-gpu.txt)")
NEEDS_MILVUS = pytest.mark.skipif(
    find_spec("milvus_lite") is None, reason="milvus-lite is not installed (requirements-milvus.txt)"
)
BACKENDS = [
    ExactIndex,
    FaissCpuIndex,
    InvertedIndex,
    *STAND_INS,
    pytest.param(FaissGpuIndex, marks=NEEDS_GPU),
    pytest.param(MilvusIndex, marks=NEEDS_MILVUS),
]


@pytest.fixture(params=BACKENDS)
def backend(request: Any, settings: Any, monkeypatch: Any, tmp_path: Path) -> type:
    settings.MILVUS = {**settings.MILVUS, "uri": str(tmp_path / "milvus.db")}
    settings.VECTOR_INDEX = {"BACKEND": f"{request.param.__module__}.{request.param.__name__}", "OPTIONS": {}}
    monkeypatch.setattr(faiss_cpu, "SMALL_ROWS", 10)  # so that there are segments to speak of
    few_rows_will_do(monkeypatch)
    return request.param


@pytest.fixture
def inverted(settings: Any, monkeypatch: Any) -> None:
    settings.VECTOR_INDEX = {"BACKEND": f"{__name__}.InvertedIndex", "OPTIONS": {}}
    monkeypatch.setattr(segments, "MAPPED_BYTES", 0)


def _unit(rows: Any) -> Any:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def _vectors(count: int, seed: int = 1) -> Any:
    return _unit(np.random.default_rng(seed).normal(size=(count, DIMENSION)))


def _write(partition: str, ids: Any, vectors: Any, remove: Any = ()) -> None:
    write_passages(partition, add=[Passage(int(number), f"word{number}") for number in ids], vectors=vectors, remove=remove)


def _dense(partition: str, vector: Any, top_k: int) -> list[int]:
    snapshot = open_dense(partition)
    return [hit.id for hit in snapshot.index.search(vector, top_k)[0]] if snapshot else []


def _files(settings: Any, partition: str, ending: str = "*") -> list[Path]:
    return sorted((settings.INDEXES_DIR / partition).glob(f"segment-{ending}"))


def test_it_never_finds_the_nearest_of_all_outside_the_scope(backend: type) -> None:
    """The canary: the forbidden passage is the question's own words, and everything that is allowed is far from it."""
    write("partition-1", {number: f"owl number{number}" for number in range(1, 60)})
    write("partition-2", {100: "the salary of the director", **{200 + number: f"reed {number}" for number in range(59)}})
    for partition in ("partition-1", "partition-2"):
        while compact_partition(partition):
            pass
    assert 100 not in found("the salary of the director", "partition-1", top_k=1000)
    allowed = set(found("the salary of the director", "partition-1", top_k=1000))
    assert allowed <= set(range(1, 60))
    assert len(allowed) >= (57 if backend is MilvusIndex else 59)  # its graph may miss one of the farthest
    assert found("the salary of the director", "partition-1", "partition-2")[0] == 100


@pytest.mark.parametrize("few", [0, 0.05])
def test_it_finds_all_that_pass_a_selective_filter(backend: type, embedder: Any, monkeypatch: Any, few: float) -> None:
    """The few that pass are the farthest of all, beyond what Milvus gives in one search."""
    monkeypatch.setattr(search_module, "FEW", few)
    monkeypatch.setattr(milvus, "LARGEST_TOP_K", 150)
    texts = {number: f"heron {' '.join(f'word{(number * 7 + place) % 90}' for place in range(5))}" for number in range(600)}
    write("partition-1", texts)
    while compact_partition("partition-1"):
        pass
    question = "heron word1 word2"
    scores = embedder.embed_passages(list(texts.values())) @ embedder.embed_queries([question])[0]
    farthest = sorted(texts, key=lambda number: (scores[number], -number))[:6]
    result = search(question, scope=["partition-1"], only=farthest)
    assert [hit.id for hit in result.dense] == sorted(farthest, key=lambda number: (-scores[number], number))
    assert [hit.score for hit in result.dense] == pytest.approx(sorted(scores[farthest].tolist(), reverse=True), abs=1e-5)


def test_it_finds_what_exact_search_over_the_allowed_finds(backend: type) -> None:
    """Random partitions, written, moved, removed and merged in any order; random scopes. Never a passage from elsewhere, and
    the same ten as numpy over what is allowed."""
    random_ = random.Random(20261126)
    keys = [f"partition-{number}" for number in range(5)]
    unused = iter(_vectors(3000))  # each once: equal scores would be a matter of rounding
    place: dict[int, str] = {}
    current: dict[int, Any] = {}
    for _ in range(60):
        key = random_.choice(keys)
        here = [number for number in place if place[number] == key]
        gone = set(random_.sample(here, min(len(here), random_.choice([0, 0, 3, 20]))))
        new = random_.sample(range(400), random_.choice([1, 8, 50]))
        new = [number for number in new if place.get(number, key) == key]
        fresh = {number: next(unused) for number in new}
        if new and random_.random() < 0.8:
            _write(key, new, np.stack(list(fresh.values())), tuple(gone - set(new)))
            current.update(fresh)
            place.update(dict.fromkeys(new, key))
            gone -= set(new)
        else:
            remove_passages(key, sorted(gone))
        for number in gone:
            del place[number], current[number]
        if random_.random() < 0.3:
            compact_partition(random_.choice(keys))
        for _ in range(20):
            scope = random_.sample(keys, random_.randint(1, 5))
            allowed = np.array(sorted(number for number in place if place[number] in scope), np.int64)
            question = _unit(np.random.default_rng(random_.randrange(10**6)).normal(size=(1, DIMENSION)))
            hits = [hit for one in scope if (opened := open_dense(one)) for hit in opened.index.search(question, 10)[0]]
            best = sorted(hits, key=lambda hit: (-hit.score, hit.id))[:10]
            assert {hit.id for hit in hits} <= set(allowed.tolist())
            if len(allowed):
                scores = np.stack([current[number] for number in allowed.tolist()]) @ question[0]
                truth = allowed[np.lexsort((allowed, -scores))][:10]
                assert [hit.id for hit in best] == truth.tolist()
                assert [hit.score for hit in best] == pytest.approx(np.sort(scores)[::-1][:10].tolist(), abs=1e-5)


def test_it_writes_only_what_is_new(settings: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(faiss_cpu, "SMALL_ROWS", 10)
    _write("partition-1", range(100), _vectors(100))
    (large,) = _files(settings, "partition-1")
    before = large.stat()
    _write("partition-1", [200], _vectors(1, seed=2), remove=(3,))
    _write("partition-1", [201], _vectors(1, seed=3))
    assert len(_files(settings, "partition-1")) == 2
    assert large.stat() == before
    assert partition_ids("partition-1")[0] == {*range(100), 200, 201} - {3}


@pytest.mark.usefixtures("inverted")
def test_it_builds_an_inverted_file_when_there_are_many_and_finds_the_same() -> None:
    vectors = _vectors(600)
    for start in range(0, 600, 60):
        _write("partition-1", range(start, start + 60), vectors[start : start + 60])
        compact_partition("partition-1")
    assert check_partition("partition-1") is None
    snapshot = open_dense("partition-1")
    assert snapshot is not None
    assert any(name.endswith(".ivf") for name in snapshot.index.files())
    assert len(snapshot.index.files()) <= 12  # few segments, each at least as large as those after it
    truth = ExactIndex(np.arange(600), vectors).search(_vectors(20, seed=5), 10)
    mine = snapshot.index.search(_vectors(20, seed=5), 10)
    assert [[hit.id for hit in hits] for hits in mine] == [[hit.id for hit in hits] for hits in truth]
    assert compact_partition("partition-1") is False


@pytest.mark.usefixtures("inverted")
def test_it_leaves_what_a_killed_merger_began(settings: Any) -> None:
    _write("partition-1", range(50), _vectors(50))
    leftover = settings.INDEXES_DIR / "partition-1" / ".merging-segment-0.npy"
    leftover.write_bytes(b"half")
    _write("partition-1", [77], _vectors(1, seed=2))
    assert leftover.exists()  # a merger may be at work on it
    assert compact_partition("partition-1")
    assert not leftover.exists()
    assert partition_ids("partition-1")[0] == {*range(50), 77}


@pytest.mark.usefixtures("inverted")
@pytest.mark.parametrize("ending", [".npy", ".ivf"])
@pytest.mark.parametrize("damage", ["flip", "cut", "lose"])
def test_it_refuses_a_damaged_segment_and_goes_on_with_what_it_had(settings: Any, ending: str, damage: str) -> None:
    _write("partition-1", range(50), _vectors(50))
    compact_partition("partition-1")
    (path,) = _files(settings, "partition-1", f"*{ending}")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    damaged = path.with_name("damaged")
    damaged.write_bytes(content if damage == "flip" else content[:100])
    if damage == "lose":
        path.unlink()
    else:
        damaged.replace(path)
    assert "damaged" in (check_partition("partition-1") or "")
    with pytest.raises(RetrievalError, match="index_corrupt"):
        _write("partition-1", [99], _vectors(1))
    fresh = settings.INDEXES_DIR / "partition-2"
    os.rename(settings.INDEXES_DIR / "partition-1", fresh)
    with pytest.raises(RetrievalError, match="index_corrupt"):
        _dense("partition-2", _vectors(1), 5)


@pytest.mark.usefixtures("inverted")
@pytest.mark.parametrize("ending", [".npy", ".ivf"])
def test_it_reads_nothing_from_a_file_that_is_written_over_while_it_is_mapped(settings: Any, ending: str) -> None:
    _write("partition-1", range(50), _vectors(50))
    compact_partition("partition-1")
    assert len(_dense("partition-1", _vectors(1), 5)) == 5
    os.truncate(_files(settings, "partition-1", f"*{ending}")[0], 100)
    with pytest.raises(RetrievalError, match="changed while it was in use"):
        _dense("partition-1", _vectors(1), 5)


def test_it_reads_a_partition_that_was_written_before_there_were_segments(tmp_path: Path) -> None:
    import faiss

    index = faiss.IndexIDMap2(faiss.IndexFlatIP(DIMENSION))
    index.add_with_ids(_vectors(5), np.arange(10, 15))
    faiss.write_index(index, str(tmp_path / "old"))
    old = FaissCpuIndex.load(tmp_path / "old")
    assert [hits[0].id for hits in old.search(_vectors(5), 1)] == [10, 11, 12, 13, 14]
    old.save(tmp_path / "new")
    assert sorted(FaissCpuIndex.load(tmp_path / "new").ids().tolist()) == [10, 11, 12, 13, 14]


FULL = """
import resource, signal, sys
import django; django.setup()
from pathlib import Path
from django.conf import settings
settings.INDEXES_DIR = Path(sys.argv[1])
settings.EMBEDDER = {"BACKEND": "tests.retrieval.embedders.HashingEmbedder", "OPTIONS": {}}
settings.VECTOR_INDEX = {"BACKEND": "tests.retrieval.test_segments.InvertedIndex", "OPTIONS": {}}
from retrieval.errors import RetrievalError
from retrieval.indexing import compact_partition
from tests.retrieval.test_segments import _vectors, _write
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
try:
    if sys.argv[3] == "write":
        _write("partition-1", range(100, 700), _vectors(600, seed=4))
    else:
        compact_partition("partition-1")
except RetrievalError as error:
    print(error.code, error.permanent, error.public_message)
"""


@pytest.mark.usefixtures("inverted")
@pytest.mark.parametrize(
    ("limit", "act"), [(500, "write"), (3_000, "write"), (20_000, "write"), (100, "merge"), (5_000, "merge")]
)
def test_it_keeps_the_old_generation_when_the_disk_is_full(settings: Any, limit: int, act: str) -> None:
    """A limit on the size of files stands for the disk: a write beyond it fails as one on a full disk does."""
    _write("partition-1", range(50), _vectors(50))
    command = [sys.executable, "-c", FULL, str(settings.INDEXES_DIR), str(limit), act]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("disk_full False The disk is full"), done.stdout + done.stderr[-2000:]
    assert check_partition("partition-1") is None
    assert partition_ids("partition-1")[0] == set(range(50))
    assert _dense("partition-1", _vectors(1), 1) == [0]
    _write("partition-1", range(100, 110), _vectors(10))
    while compact_partition("partition-1"):
        pass
    dense, lexical = partition_ids("partition-1")
    assert dense == {*range(50), *range(100, 110)} <= lexical  # BM25 is committed first, and may be ahead of the vectors
    assert not list((settings.INDEXES_DIR / "partition-1").glob(".*-segment*"))


def test_it_queues_two_writers_and_loses_nothing_of_either(settings: Any) -> None:
    with start_writer(settings.INDEXES_DIR, "partition-1", 6) as other:
        for number in range(5000, 5012):
            write("partition-1", {number: "sparrow"})
        assert other.wait(120) == 0
    expected = {1, *range(100, 700), *range(5000, 5012)}
    assert partition_ids("partition-1") == (expected, expected)
