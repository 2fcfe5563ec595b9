"""Where readings are kept."""

from __future__ import annotations

from datetime import date, timedelta


class Store:
    """Readings by lift and day, in memory."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, date], list[int]] = {}

    def add_reading(self, lift: str, day: date, value: int) -> None:
        """Add a reading of a lift to its day."""
        self.rows.setdefault((lift, day), []).append(value)

    def list_days(self, lift: str) -> list[date]:
        """List the days on which a lift has reported, the earliest first."""
        return sorted(day for name, day in self.rows if name == lift)

    def remove_old(self, today: date, keep_days: int = 400) -> int:
        """Remove readings that are older than the retention, and return how many days were removed."""
        old = [key for key in self.rows if key[1] < today - timedelta(days=keep_days)]
        for key in old:
            del self.rows[key]
        return len(old)

    def merge_store(self, other: Store) -> None:
        """Merge the readings of another store into this one. Readings of the same day are kept side by side."""
        for (lift, day), values in other.rows.items():
            self.rows.setdefault((lift, day), []).extend(values)

    def export_csv(self) -> str:
        """Export all readings as CSV with the columns lift, day and value."""
        lines = [f"{lift},{day},{value}" for (lift, day), values in self.rows.items() for value in values]
        return "\n".join(["lift,day,value", *lines])
