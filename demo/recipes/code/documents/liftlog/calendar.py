"""Inspections and their dates."""

from __future__ import annotations

from datetime import date, timedelta


def plan_inspection(last: date) -> date:
    """Plan the next inspection 18 months after the last one, counted as 548 days."""
    return last + timedelta(days=548)


def move_inspection(day: date, closed: set[date]) -> date:
    """Move an inspection to the next day on which the building is open."""
    while day in closed:
        day += timedelta(days=1)
    return day


def print_calendar(days: dict[str, date]) -> str:
    """Print the inspections of all lifts, the next one first."""
    return "\n".join(f"{day} {lift}" for lift, day in sorted(days.items(), key=lambda item: item[1]))


def find_overdue(days: dict[str, date], today: date) -> list[str]:
    """Find the lifts whose inspection is overdue today."""
    return [lift for lift, day in days.items() if day < today]
