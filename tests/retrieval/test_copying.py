from __future__ import annotations

import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from retrieval import copying
from retrieval.copying import copy_partition
from retrieval.errors import RetrievalError
from retrieval.indexes.exact import ExactIndex
from retrieval.indexes.faiss_cpu import FaissCpuIndex
from retrieval.indexing import check_partition, partition_ids, remove_passages
from retrieval.partitions import open_dense
from tests.environment import ROOT
from tests.retrieval.embedders import HashingEmbedder
from tests.retrieval.writing import found, write

TEXTS = {number: f"heron number{number}" for number in range(50)}


def _suffix(partition: str) -> str:
    snapshot = open_dense(partition)
    assert snapshot is not None
    return snapshot.manifest.suffix


def _copy(to: str) -> str:
    out = StringIO()
    call_command("copy_index", to=to, stdout=out, stderr=StringIO())
    return out.getvalue()


def test_it_copies_there_and_back_and_embeds_nothing(embedder: HashingEmbedder) -> None:
    write("partition-1", TEXTS)
    write("partition-2", {100: "an owl"})
    before = found("heron number7", "partition-1", "partition-2")
    embedder.embedded.clear()
    for to in ("npy", "faiss"):
        assert "2 partitions moved" in _copy(to)
        assert (_suffix("partition-1"), _suffix("partition-2")) == (to, to)
        assert check_partition("partition-1") is None
        assert found("heron number7", "partition-1", "partition-2") == before
    assert embedder.embedded == []
    assert "0 partitions moved" in _copy("faiss")


def test_it_writes_to_a_partition_where_it_lies(settings: Any) -> None:
    write("partition-1", TEXTS)
    _copy("npy")
    write("partition-1", {77: "a kestrel"})
    assert _suffix("partition-1") == "npy"
    assert found("kestrel", "partition-1")[0] == 77
    assert len(list((settings.INDEXES_DIR / "partition-1").glob("*vectors-*"))) == 1


def test_it_brings_over_what_is_written_while_it_copies(monkeypatch: Any) -> None:
    monkeypatch.setattr(copying, "COPIED_AT_ONCE", 20)
    write("partition-1", TEXTS)
    seen: list[int] = []

    def meanwhile(done: int) -> None:
        seen.append(done)
        if done == 20:
            assert _suffix("partition-1") == "faiss"  # the old one serves
            write("partition-1", {200: "a kestrel"})
            remove_passages("partition-1", [3, 45])

    assert copy_partition("partition-1", ExactIndex, progress=meanwhile)
    expected = {*range(50), 200} - {3, 45}
    assert partition_ids("partition-1") == (expected, expected)
    assert _suffix("partition-1") == "npy"
    assert seen == [0, 20, 40, 50, 48, 49]


KILLED = """
import os, sys
import django; django.setup()
from pathlib import Path
from django.conf import settings
settings.INDEXES_DIR = Path(sys.argv[1])
from retrieval import copying
from retrieval.indexes.exact import ExactIndex
copying.COPIED_AT_ONCE = 10
copying.copy_partition("partition-1", ExactIndex, progress=lambda done: os.kill(os.getpid(), 9) if done == 30 else None)
"""


def test_it_goes_on_after_kill_9_where_it_was(settings: Any) -> None:
    write("partition-1", TEXTS)
    done = subprocess.run([sys.executable, "-c", KILLED, str(settings.INDEXES_DIR)], cwd=ROOT, check=False)
    assert done.returncode == -9
    assert _suffix("partition-1") == "faiss"
    assert found("heron number7", "partition-1")[0] == 7
    seen: list[int] = []
    assert copy_partition("partition-1", ExactIndex, progress=seen.append)
    assert seen[0] == 30
    assert partition_ids("partition-1")[0] == set(TEXTS)
    assert not (settings.INDEXES_DIR / "partition-1" / "copying-npy").exists()


def test_it_leaves_a_partition_that_it_cannot_read_and_says_so(settings: Any) -> None:
    write("partition-1", TEXTS)
    write("partition-2", {100: "an owl"})
    (settings.INDEXES_DIR / "partition-1" / "manifest.json").write_text("{}")
    with pytest.raises(CommandError, match="1 partitions were left as they were"):
        _copy("npy")
    assert _suffix("partition-2") == "npy"


def test_it_refuses_to_publish_a_copy_that_lacks_something(monkeypatch: Any) -> None:
    write("partition-1", TEXTS)
    monkeypatch.setattr(ExactIndex, "add", lambda self, ids, vectors: None)
    with pytest.raises(RetrievalError, match="copy_incomplete"):
        copy_partition("partition-1", ExactIndex, progress=lambda _: None)
    assert _suffix("partition-1") == "faiss"
    assert partition_ids("partition-1")[0] == set(TEXTS)


def test_it_reads_the_vectors_of_ids_that_are_there_in_their_order(tmp_path: Path) -> None:
    rows = np.eye(8, dtype=np.float32)
    for backend in (ExactIndex, FaissCpuIndex):
        index = backend.create(8)
        index.add(np.array([5, 3, 9]), rows[:3])
        index.save(tmp_path / "file")
        index.add(np.array([1, 3]), rows[3:5])
        ids, vectors = index.read(np.array([9, 4, 1, 3]))
        assert (ids.tolist(), vectors.tolist()) == ([9, 1, 3], rows[[2, 3, 4]].tolist())
        ids, vectors = index.read(np.array([4]))
        assert (len(ids), vectors.shape) == (0, (0, 8))
