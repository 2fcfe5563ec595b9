from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest

from retrieval.errors import RetrievalError
from retrieval.indexes import VectorIndex, faiss_gpu
from retrieval.indexes.exact import ExactIndex
from retrieval.indexes.faiss_cpu import FaissCpuIndex
from retrieval.indexes.faiss_gpu import FaissGpuIndex
from retrieval.indexes.milvus import MilvusIndex
from tests.retrieval.gpu_indexes import STAND_INS, CodedIndex, ShardedIndex, few_rows_will_do

DIMENSION = 16


def _has_gpu() -> bool:
    import faiss

    return hasattr(faiss, "StandardGpuResources") and faiss.get_num_gpus() > 0


class MergedIndex(FaissCpuIndex):
    """FAISS on the processor with an inverted file at any size: what is added is written and merged at once."""

    exact_rows = 20
    least_recall = 1.0
    folder: ClassVar[Path]

    def add(self, ids: Any, vectors: Any) -> None:
        super().add(ids, vectors)
        self.save(self.folder / "segments")
        while merged := self.merge(self.folder):
            assert self.adopt(merged)


NEEDS_GPU = pytest.mark.skipif("not _has_gpu()", reason="FAISS sees no graphics processor here (it needs requirements-gpu.txt)")
NEEDS_MILVUS = pytest.mark.skipif(
    find_spec("milvus_lite") is None, reason="milvus-lite is not installed (requirements-milvus.txt)"
)
BACKENDS = [
    ExactIndex,
    FaissCpuIndex,
    MergedIndex,
    *STAND_INS,
    pytest.param(FaissGpuIndex, marks=NEEDS_GPU),
    pytest.param(MilvusIndex, marks=NEEDS_MILVUS),
]


@pytest.fixture(params=BACKENDS)
def backend(request: Any, tmp_path: Path, monkeypatch: Any, settings: Any) -> type[VectorIndex]:
    settings.MILVUS = {**settings.MILVUS, "uri": str(tmp_path / "milvus.db")}
    monkeypatch.setattr(MergedIndex, "folder", tmp_path, raising=False)
    few_rows_will_do(monkeypatch)
    return request.param


def _ids(*values: int) -> Any:
    return np.array(values, np.int64)


def _vectors(count: int, seed: int = 1) -> Any:
    vectors = np.random.default_rng(seed).normal(size=(count, DIMENSION)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _filled(backend: type[VectorIndex], count: int = 200) -> VectorIndex:
    index = backend.create(DIMENSION)
    index.add(np.arange(count, dtype=np.int64) * 7 + 2**40, _vectors(count))
    return index


def test_it_starts_empty_and_finds_nothing(backend: type[VectorIndex]) -> None:
    index = backend.create(DIMENSION)
    assert (len(index), index.dimension) == (0, DIMENSION)
    assert index.search(_vectors(2), 5) == [[], []]
    assert index.ids().tolist() == []
    assert index.remove(_ids(1)) == 0


def test_it_finds_each_vector_first_under_its_id(backend: type[VectorIndex]) -> None:
    index = _filled(backend)
    found = index.search(_vectors(200), 1)
    assert [hits[0].id for hits in found] == (np.arange(200) * 7 + 2**40).tolist()
    assert all(hits[0].score == pytest.approx(1.0, abs=1e-5) for hits in found)


def test_it_agrees_with_exact_search(backend: type[VectorIndex]) -> None:
    questions = _vectors(30, seed=2)
    truth = _filled(ExactIndex).search(questions, 10)
    found = _filled(backend).search(questions, 10)
    assert [[hit.id for hit in hits] for hits in found] == [[hit.id for hit in hits] for hits in truth]
    assert np.allclose(
        [[hit.score for hit in hits] for hits in found], [[hit.score for hit in hits] for hits in truth], atol=1e-5
    )


def test_it_sorts_by_descending_score_and_equal_scores_by_id(backend: type[VectorIndex]) -> None:
    index = backend.create(DIMENSION)
    same = np.repeat(_vectors(1), 4, axis=0)
    index.add(_ids(9, 3, 12, 5), same)
    index.add(_ids(1, 2), -_vectors(2))
    (hits,) = index.search(_vectors(1), 6)
    assert [hit.id for hit in hits[:4]] == [3, 5, 9, 12]
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def test_it_pads_nothing_when_top_k_is_larger_than_the_index(backend: type[VectorIndex]) -> None:
    (hits,) = _filled(backend, 3).search(_vectors(1), 50)
    assert len(hits) == 3
    assert all(hit.id >= 0 for hit in hits)


def test_it_replaces_an_id_that_is_added_again(backend: type[VectorIndex]) -> None:
    index = backend.create(DIMENSION)
    index.add(_ids(1, 2), _vectors(2))
    index.add(_ids(1), _vectors(3)[2:])
    assert len(index) == 2
    assert sorted(index.ids().tolist()) == [1, 2]
    (hits,) = index.search(_vectors(3)[2:], 5)
    assert (hits[0].id, len(hits)) == (1, 2)


def test_it_never_finds_what_was_removed(backend: type[VectorIndex]) -> None:
    index = _filled(backend)
    removed = index.ids()[::2]
    assert index.search(_vectors(1), 1)  # a copy on a device exists now, and must not go on answering
    assert index.remove(np.concatenate([removed, _ids(5)])) == 100
    assert len(index) == 100
    found = {hit.id for hits in index.search(_vectors(50), 200) for hit in hits}
    assert found == set(index.ids().tolist())
    assert not found & set(removed.tolist())


def test_it_adds_after_it_has_searched(backend: type[VectorIndex]) -> None:
    index = _filled(backend, 3)
    index.search(_vectors(1), 1)
    index.add(_ids(77), _vectors(9)[8:])
    assert index.search(_vectors(9)[8:], 1)[0][0].id == 77


def test_it_is_the_same_after_saving_and_loading(backend: type[VectorIndex], tmp_path: Path) -> None:
    index = _filled(backend)
    index.remove(index.ids()[:10])
    index.save(tmp_path / "file")
    loaded = backend.load(tmp_path / "file")
    assert (len(loaded), loaded.dimension) == (190, DIMENSION)
    assert sorted(loaded.ids().tolist()) == sorted(index.ids().tolist())
    assert loaded.search(_vectors(5, seed=3), 7) == index.search(_vectors(5, seed=3), 7)
    loaded.add(_ids(1), _vectors(1))
    assert (len(loaded), len(index)) == (191, 190)


def test_it_needs_the_files_that_it_names_and_no_others(backend: type[VectorIndex], tmp_path: Path) -> None:
    index = _filled(backend)
    index.remove(index.ids()[:10])
    index.add(_ids(1, 2), _vectors(2, seed=5))
    index.save(tmp_path / "file")
    for path in tmp_path.iterdir():
        if path.is_file() and path.name not in {"file", *index.files()}:
            path.unlink()
    assert len(backend.load(tmp_path / "file")) == 192
    for name in index.files():
        (tmp_path / name).unlink()
        with pytest.raises(FileNotFoundError):
            backend.load(tmp_path / "file")


def test_it_merges_into_an_index_that_has_changed_meanwhile(backend: type[VectorIndex], tmp_path: Path) -> None:
    _filled(backend).save(tmp_path / "file")
    index = backend.load(tmp_path / "file")
    index.remove(index.ids()[:60])  # worn, so that there is something to do
    index.save(tmp_path / "file")
    merged = index.merge(tmp_path)
    later = backend.load(tmp_path / "file", index)
    later.remove(later.ids()[:5])
    later.add(_ids(1), _vectors(1, seed=9))
    if merged is not None:
        later.adopt(merged)
    later.save(tmp_path / "later")
    expected = sorted(later.ids().tolist())
    assert len(expected) == 136
    for one in (later, backend.load(tmp_path / "later")):
        assert sorted(one.ids().tolist()) == expected
        assert sorted(hit.id for hit in one.search(_vectors(1), 500)[0]) == expected
        assert one.search(_vectors(1, seed=9), 1)[0][0].id == 1


def test_it_saves_an_empty_index(backend: type[VectorIndex], tmp_path: Path) -> None:
    backend.create(DIMENSION).save(tmp_path / "file")
    assert len(backend.load(tmp_path / "file")) == 0


@pytest.mark.parametrize("content", [b"", b"nothing of the kind", b"\x93NUMPY\x01\x00"])
def test_it_refuses_a_file_of_another_kind(backend: type[VectorIndex], tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(ValueError, match=r"the file|cannot|allow_pickle|header|read array|pickle"):
        backend.load(tmp_path / "file")


@pytest.mark.parametrize(
    ("ids", "vectors"),
    [(_ids(1, 1), _vectors(2)), (_ids(-1), _vectors(1)), (_ids(1), _vectors(2)), (_ids(1), np.full((1, DIMENSION), np.inf))],
)
def test_it_refuses_rows_that_make_no_sense(backend: type[VectorIndex], ids: Any, vectors: Any) -> None:
    index = backend.create(DIMENSION)
    with pytest.raises(ValueError, match=r"an id is|rows of dimension|not finite"):
        index.add(ids, vectors)
    assert len(index) == 0


@pytest.mark.skipif("_has_gpu()", reason="This host has a graphics processor")
def test_it_says_that_there_is_no_graphics_processor() -> None:
    with pytest.raises(RetrievalError) as caught:
        FaissGpuIndex.create(DIMENSION)
    assert caught.value.code == "gpu_missing"
    assert "VECTOR_INDEX_BACKEND" in caught.value.public_message


def test_it_shares_a_copy_out_over_the_devices_and_a_small_one_not(monkeypatch: Any) -> None:
    monkeypatch.setattr(faiss_gpu, "LEAST_SHARD", 70)
    index = _filled(ShardedIndex, 200)
    small = _filled(ShardedIndex, 60)
    for one in (index, small):
        one.search(_vectors(1), 1)
    shares = [copy.at(number).ntotal for copy in index._copies.values() for number in range(copy.count())]
    assert shares == [100, 100]
    assert [copy.ntotal for copy in small._copies.values()] == [60]


def test_the_stand_ins_for_devices_share_out_and_code_few_rows_too(monkeypatch: Any) -> None:
    """Else the tests above would search one flat copy, whichever the backend."""
    few_rows_will_do(monkeypatch)
    kinds = []
    for kind in STAND_INS:
        index = _filled(kind, 60)
        index.search(_vectors(1), 1)
        kinds += [type(copy).__name__ for copy in index._copies.values()]
    assert kinds == ["IndexShards", "IndexShards", "Inverted"]


def test_codes_find_what_the_rows_would_and_leave_out_what_is_dead(monkeypatch: Any) -> None:
    monkeypatch.setattr(faiss_gpu, "LEAST_CODED", 1000)
    monkeypatch.setattr(FaissCpuIndex, "exact_rows", 1000)
    index, small, truth = (_filled(kind, count) for kind, count in ((CodedIndex, 3000), (CodedIndex, 500), (ExactIndex, 3000)))
    questions = _vectors(20, seed=2)
    for one in (index, small):
        one.search(questions, 1)
    kinds = [type(copy).__name__ for one in (index, small) for copy in one._copies.values()]
    assert kinds == ["Inverted", "IndexScalarQuantizer"]
    dead = _ids(*(hit.id for hits in truth.search(questions, 3) for hit in hits))
    for one in (index, truth):
        one.remove(np.unique(dead))
    found, nearest = index.search(questions, 10), truth.search(questions, 10)
    assert not {hit.id for hits in found for hit in hits} & set(dead.tolist())
    hits = sum(len({hit.id for hit in mine} & {hit.id for hit in right}) for mine, right in zip(found, nearest, strict=True))
    assert hits >= 0.98 * 200
    scores = {(place, hit.id): hit.score for place, hits in enumerate(nearest) for hit in hits}
    for place, hit in ((place, hit) for place, listed in enumerate(found) for hit in listed):
        assert hit.score == pytest.approx(scores.get((place, hit.id), hit.score))
    assert len(index.search(questions, len(index))[0]) == len(index)  # all of them: by the rows in main memory


def test_it_makes_codes_of_a_size_that_divides_the_vector() -> None:
    assert [faiss_gpu.code_parts(dimension) for dimension in (384, 768, 1024, 300, 7)] == [48, 48, 32, 12, 1]


@pytest.mark.parametrize(("there", "wanted", "chosen"), [(4, 0, (0, 1, 2, 3)), (4, 2, (0, 1)), (1, 1, (0,))])
def test_it_takes_as_many_devices_as_are_wanted(there: int, wanted: int, chosen: tuple[int, ...], monkeypatch: Any) -> None:
    import faiss

    monkeypatch.setattr(faiss, "StandardGpuResources", object, raising=False)
    monkeypatch.setattr(faiss, "get_num_gpus", lambda: there, raising=False)
    assert FaissGpuIndex._choose_devices(wanted) == chosen
    with pytest.raises(RetrievalError, match="FAISS_GPU_DEVICES is 5"):
        FaissGpuIndex._choose_devices(5)


def test_a_copy_on_a_device_is_made_there_in_the_precision_that_is_wanted(monkeypatch: Any, settings: Any) -> None:
    """The seam to the library of the other build, which is not installed beside this one."""
    import faiss

    made: list[tuple[int, bool]] = []

    def flat(resources: Any, dimension: int, config: SimpleNamespace) -> Any:
        made.append((config.device, config.useFloat16))
        return faiss.IndexFlatIP(dimension)

    settings.FAISS_GPU = {"devices": 2, "copy": "float16"}
    for name, fake in (("StandardGpuResources", object), ("get_num_gpus", lambda: 2), ("GpuIndexFlatConfig", SimpleNamespace),
                       ("GpuIndexFlatIP", flat)):  # fmt: skip
        monkeypatch.setattr(faiss, name, fake, raising=False)
    monkeypatch.setattr(faiss_gpu, "LEAST_SHARD", 50)
    index = _filled(FaissGpuIndex)

    assert index.search(_vectors(200), 1)[150][0].id == 150 * 7 + 2**40
    assert made == [(0, True), (1, True)]
