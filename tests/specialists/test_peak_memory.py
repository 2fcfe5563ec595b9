"""The most memory that something took: set back before, read after, and None where it cannot be known."""

from __future__ import annotations

import mmap
from pathlib import Path

import pytest
import torch

from specialists.language_models import memory
from specialists.language_models.memory import peak_memory

MIB = 2**20


def test_on_a_processor_it_counts_from_its_beginning() -> None:
    with peak_memory("cpu") as first, mmap.mmap(-1, 128 * MIB) as pages:  # an array might lie where freed memory was
        for place in range(0, len(pages), mmap.PAGESIZE):
            pages[place] = 1
    with peak_memory("cpu") as second:
        pass

    assert first.bytes and second.bytes
    assert first.bytes - second.bytes > 100 * MIB


def test_on_gpus_it_is_what_torch_had_on_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    most = {0: 7, 1: 5}
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda one: most.update({one: 0}))
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda one: most[one])
    with peak_memory("cuda:0") as peak:
        assert most == {0: 0, 1: 0}
        most.update({0: 30, 1: 12})

    assert peak.bytes == 42


def test_it_is_not_known_of_a_server_nor_where_the_system_does_not_tell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with peak_memory("") as of_a_server:
        pass
    monkeypatch.setattr(memory, "_CLEAR", tmp_path / "missing" / "clear_refs")
    with peak_memory("cpu") as untold:
        pass

    assert (of_a_server.bytes, untold.bytes) == (None, None)
