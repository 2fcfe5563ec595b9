"""benchmarks/retrieval_gpu.py at its tiny size: all of its code runs on a processor, and no figure of it pretends to count."""

from __future__ import annotations

import pytest

from benchmarks import retrieval_gpu
from benchmarks.gpu_figures import has_gpu
from benchmarks.retrieval_gpu import SIZES, ProcessorCopies


@pytest.mark.slow
def test_its_code_embeds_and_searches_on_a_processor_and_no_figure_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrieval_gpu, "REPEATS", 2)
    figures, notes = retrieval_gpu.run(SIZES["tiny"], device="cpu", name="tiny", batch=4)

    found = dict(zip(retrieval_gpu.TARGETS, figures, strict=True))
    assert all("n/a: measured on a processor" in figure.row() for figure in figures)
    assert found["recall"].value == 1.0
    assert all((figure.value or 0) > 0 for figure in figures)
    assert any("8 passages of 200 tokens" in note for note in notes)


def test_the_hits_of_shards_are_joined_to_those_of_one_search_over_all(settings: object) -> None:
    shards = [retrieval_gpu.make_index(ProcessorCopies, shard, 50) for shard in range(3)]
    whole = ProcessorCopies.create(retrieval_gpu.DIMENSION)
    for index, vectors in shards:
        whole.add(index.ids(), vectors)
    questions = retrieval_gpu.asked()
    joined = retrieval_gpu.joined([index.search(questions, 10) for index, _ in shards])

    assert [[hit.id for hit in hits] for hits in joined] == [[hit.id for hit in hits] for hits in whole.search(questions, 10)]


@pytest.mark.skipif(has_gpu(), reason="This host has a graphics processor")
def test_without_a_gpu_each_figure_of_the_full_size_says_so_beside_its_target(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["retrieval_gpu.py"])
    retrieval_gpu.main()

    rows = capsys.readouterr().out.splitlines()[2:]
    assert len(rows) == len(retrieval_gpu.TARGETS)
    assert all(row.endswith("| n/a: there is no GPU on this host |") for row in rows)
