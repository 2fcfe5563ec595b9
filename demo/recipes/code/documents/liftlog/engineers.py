"""Engineers on duty, and who is sent where."""

from __future__ import annotations


def choose_engineer(places: dict[str, int], busy: set[str]) -> str:
    """Choose the nearest engineer who is not busy; empty where everybody is."""
    free = {name: minutes for name, minutes in places.items() if name not in busy}
    return min(free, key=lambda name: free[name]) if free else ""


def assign_ticket(tickets: dict[str, str], ticket: str, engineer: str) -> None:
    """Assign a ticket to an engineer, in place of whoever had it."""
    tickets[ticket] = engineer


def rotate_duty(names: list[str], week: int) -> str:
    """Rotate the duty by week, so that each engineer has it in turn."""
    return names[week % len(names)]


def close_ticket(tickets: dict[str, str], ticket: str) -> bool:
    """Close a ticket and return whether it was open."""
    return tickets.pop(ticket, None) is not None
