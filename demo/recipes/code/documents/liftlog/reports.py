"""Monthly reports for owners of buildings."""

from __future__ import annotations


def count_trips(values: list[int]) -> int:
    """Count the trips in a list of readings; each rise from zero begins one."""
    return sum(1 for before, after in zip([0, *values], values, strict=False) if not before and after)


def measure_availability(up_minutes: int, all_minutes: int) -> float:
    """Measure the availability of a lift in percent, rounded to two places."""
    return round(100 * up_minutes / max(all_minutes, 1), 2)


def render_report(lift: str, trips: int, availability: float) -> str:
    """The text of a report for one lift, in three lines."""
    return f"Lift {lift}\nTrips: {trips}\nAvailability: {availability} %"


def schedule_report(day: int) -> str:
    """Schedule the monthly report for a day of the month as a line for cron."""
    return f"0 6 {day} * *"


def compare_months(before: float, after: float) -> str:
    """Compare the availability of two months in words."""
    return "better" if after > before else "worse" if after < before else "the same"
