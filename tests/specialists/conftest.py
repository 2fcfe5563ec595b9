"""Tests with networks so small that a second thread only waits for the first."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture
def one_core(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    import torch

    from specialists.training import loop

    before = torch.get_num_threads()
    monkeypatch.setattr(loop.os, "sched_getaffinity", lambda process: {0})
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
