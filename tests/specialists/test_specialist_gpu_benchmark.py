"""benchmarks/specialist_gpu.py at its tiny size: all of its code runs on a processor, and no figure of it pretends to count."""

from __future__ import annotations

import math
from importlib.util import find_spec
from pathlib import Path

import pytest

from benchmarks import specialist_gpu
from benchmarks.gpu_figures import Figure, Target, has_gpu

pytestmark = pytest.mark.usefixtures("one_core")
MEMORY = {"qlora_peak", "lora_peak", "qlora_estimate", "lora_estimate"}  # torch counts none on a processor


@pytest.mark.slow
def test_its_code_trains_and_serves_on_a_processor_and_no_figure_counts(tmp_path: Path) -> None:
    figures, notes = specialist_gpu.run(tmp_path, device="cpu", size="tiny", requests=3)

    found = dict(zip(specialist_gpu.TARGETS, figures, strict=True))
    without_4bit = find_spec("bitsandbytes") is None
    for name, figure in found.items():
        if without_4bit and name.startswith("qlora"):
            assert "n/a: bitsandbytes is not installed here" in figure.row()
            continue
        assert "n/a: measured on a processor" in figure.row()
        assert figure.value is not None
        assert math.isnan(figure.value) if name in MEMORY else math.isfinite(figure.value)
    assert all((found[name].value or 0) > 0 for name in ("training_rate", "decoding_rate", "together_rate", "one_adapter_rate"))
    assert any(note.startswith("LoRA: 2 steps of 2 rows") for note in notes)
    assert sorted(path.name for path in (tmp_path / "served").iterdir()) == [f"copy-{number}" for number in range(4)]


@pytest.mark.skipif(has_gpu(), reason="This host has a graphics processor")
def test_without_a_gpu_each_figure_of_the_large_size_says_so_beside_its_target(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["specialist_gpu.py"])
    specialist_gpu.main()

    rows = capsys.readouterr().out.splitlines()[2:]
    assert len(rows) == len(specialist_gpu.TARGETS)
    assert all(row.endswith("| n/a: there is no GPU on this host |") for row in rows)
    assert "| training, LoRA in bfloat16 | ≥ 5,000 tokens/s |" in rows[2]


def test_a_figure_that_counts_says_whether_its_target_is_met() -> None:
    target = Target(14, is_most=True)
    rows = [Figure("memory", "GB", target, value).row() for value in (13.5, 14.5)]
    assert rows == ["| memory | ≤ 14 GB | 13.5 GB, met |", "| memory | ≤ 14 GB | 14.5 GB, missed |"]
    assert Figure("rate", "tokens/s", None, 31.0).row() == "| rate | none set | 31 tokens/s |"
