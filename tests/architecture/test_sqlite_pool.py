"""SQLite's connections are used again, but none that is in the middle of something or has a file open that is gone."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import connections

from config.sqlite import base
from config.sqlite.base import DatabaseWrapper

Opened = list[str]

pytestmark = pytest.mark.django_db


@pytest.fixture
def open_wrapper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], DatabaseWrapper]:
    pool = base._Pool()
    monkeypatch.setattr(base, "_pool", pool)
    settings = {**connections["default"].settings_dict, "NAME": str(tmp_path / "rows.sqlite3")}
    return lambda: DatabaseWrapper(settings.copy())


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Opened:
    names: Opened = []
    connect = base.base.Database.connect

    def counted(*, database: str, **options: object) -> sqlite3.Connection:
        names.append(database)
        return connect(database=database, **options)

    monkeypatch.setattr(base.base.Database, "connect", counted)
    return names


def ask(wrapper: DatabaseWrapper, sql: str) -> list[tuple[object, ...]]:
    with wrapper.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())


def test_it_uses_a_connection_again(open_wrapper: Callable[[], DatabaseWrapper], opened: Opened) -> None:
    for number in range(3):
        wrapper = open_wrapper()
        ask(wrapper, f"CREATE TABLE rows_{number} (one)")
        wrapper.close()
    assert len(opened) == 1

    first, second = open_wrapper(), open_wrapper()
    ask(first, "SELECT * FROM rows_0")
    ask(second, "SELECT * FROM rows_1")
    assert len(opened) == 2  # two at the same time are two


def test_it_keeps_no_connection_of_an_open_transaction(open_wrapper: Callable[[], DatabaseWrapper], opened: Opened) -> None:
    wrapper = open_wrapper()
    ask(wrapper, "CREATE TABLE rows (one)")
    ask(wrapper, "BEGIN IMMEDIATE")
    ask(wrapper, "INSERT INTO rows VALUES (1)")
    wrapper.close()

    assert ask(open_wrapper(), "SELECT * FROM rows") == []
    assert len(opened) == 2


def test_it_reads_no_file_that_was_replaced(
    open_wrapper: Callable[[], DatabaseWrapper], opened: Opened, tmp_path: Path
) -> None:  # fmt: skip
    wrapper = open_wrapper()
    ask(wrapper, "CREATE TABLE old (one)")
    wrapper.close()
    restored = sqlite3.connect(tmp_path / "restored")
    restored.execute("CREATE TABLE restored (one)")
    restored.close()
    for log in ("rows.sqlite3-wal", "rows.sqlite3-shm"):
        (tmp_path / log).unlink(missing_ok=True)
    os.replace(tmp_path / "restored", tmp_path / "rows.sqlite3")

    names = ask(open_wrapper(), "SELECT name FROM sqlite_master WHERE type = 'table'")

    assert names == [("restored",)]
