"""What a domain's own training brought a specialist: before and after, on the same held-out part, as a row of a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

HEADER = ("Specialist", "Held out", "Measure", "Before", "After", "A large model")
NOT_ASKED = "–"


@dataclass(frozen=True, slots=True)
class Comparison:
    """`before` and `after` with their 95 % intervals, in percent; `large`: an installation's large model, if asked."""

    specialist: str
    held_out: str
    measure: str
    before: str
    after: str
    large: str = NOT_ASKED


def as_table(rows: Sequence[Comparison]) -> str:
    """Markdown."""
    lines = [HEADER, ("---",) * len(HEADER)]
    lines += [(row.specialist, row.held_out, row.measure, row.before, row.after, row.large) for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
