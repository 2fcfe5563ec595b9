from __future__ import annotations

from pathlib import Path

import pytest

from specialists.errors import DataError
from specialists.reader.rows import load_rows
from specialists.reader.splitting import split_rows, write_rows
from tests.specialists.tiny_rows import squad, write_squad


def test_it_parts_rows_by_document(tmp_path: Path) -> None:
    rows = load_rows(write_squad(tmp_path / "rows.json"))

    train, test = split_rows(rows, test_share=0.3, seed=1)

    assert len(train) + len(test) == len(rows)
    assert 0.25 * len(rows) <= len(test) <= 0.45 * len(rows)
    assert not {row.context for row in train} & {row.context for row in test}
    assert split_rows(rows, test_share=0.3, seed=2)[1] != test


def test_it_writes_rows_that_read_the_same(tmp_path: Path) -> None:
    rows = load_rows(write_squad(tmp_path / "rows.json"))

    write_rows(tmp_path / "again.json", rows)

    assert sorted(load_rows(tmp_path / "again.json"), key=str) == sorted(rows, key=str)


def test_it_cannot_hold_out_the_only_document(tmp_path: Path) -> None:
    rows = load_rows(write_squad(tmp_path / "rows.json", squad(departments=1)))

    with pytest.raises(DataError, match="none can be held out"):
        split_rows(rows, test_share=0.3, seed=1)
