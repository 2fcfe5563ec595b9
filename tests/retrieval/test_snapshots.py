from __future__ import annotations

from pathlib import Path

import pytest

from retrieval.errors import RetrievalError
from retrieval.snapshots import ATTEMPTS, Snapshots

DAMAGED = RetrievalError("index_corrupt", "Damaged.", permanent=True)


def _publish(folder: Path, content: str) -> None:
    temporary = folder / "temporary"
    temporary.write_text(content)
    temporary.replace(folder / "marker")


def test_it_opens_a_generation_once(tmp_path: Path) -> None:
    opened: list[str] = []

    def open_snapshot(folder: Path, previous: str | None) -> str:
        opened.append(f"{previous} → {(folder / 'marker').read_text()}")
        return (folder / "marker").read_text()

    snapshots = Snapshots("marker", open_snapshot)
    assert snapshots.get(tmp_path) is None
    _publish(tmp_path, "first")
    assert [snapshots.get(tmp_path), snapshots.get(tmp_path)] == ["first", "first"]
    _publish(tmp_path, "second")
    assert snapshots.get(tmp_path) == "second"
    assert opened == ["None → first", "first → second"]


def test_it_opens_the_next_generation_when_a_writer_deletes_this_one_meanwhile(tmp_path: Path) -> None:
    def open_snapshot(folder: Path, _previous: str | None) -> str:
        content = (folder / "marker").read_text()
        if content == "first":
            _publish(folder, "the second")
            raise DAMAGED
        return content

    _publish(tmp_path, "first")
    assert Snapshots("marker", open_snapshot).get(tmp_path) == "the second"


def test_it_finds_nothing_when_all_is_dropped_meanwhile(tmp_path: Path) -> None:
    def open_snapshot(folder: Path, _previous: str | None) -> str:
        (folder / "marker").unlink()
        raise DAMAGED

    _publish(tmp_path, "first")
    assert Snapshots("marker", open_snapshot).get(tmp_path) is None


def test_it_gives_up_on_a_folder_that_never_holds_still(tmp_path: Path) -> None:
    attempts: list[int] = []

    def open_snapshot(folder: Path, _previous: str | None) -> str:
        attempts.append(len(attempts))
        _publish(folder, "x" * (len(attempts) + 5))
        raise DAMAGED

    _publish(tmp_path, "first")
    with pytest.raises(RetrievalError, match="index_corrupt"):
        Snapshots("marker", open_snapshot).get(tmp_path)
    assert len(attempts) == ATTEMPTS
