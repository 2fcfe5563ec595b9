"""The store of readings."""

from __future__ import annotations

from datetime import date

from liftlog.store import Store


def test_it_keeps_readings_for_400_days() -> None:
    store = Store()
    store.add_reading("L1", date(2025, 1, 1), 3)
    assert store.remove_old(date(2026, 6, 1)) == 1


def test_it_merges_two_stores() -> None:
    one, other = Store(), Store()
    other.add_reading("L2", date(2026, 1, 1), 5)
    one.merge_store(other)
    assert one.list_days("L2") == [date(2026, 1, 1)]
    assert one.export_csv().endswith("L2,2026-01-01,5")
