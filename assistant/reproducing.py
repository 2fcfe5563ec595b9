"""Runs the commands behind published figures and compares what they print with what was published."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

LONGEST_S = 4 * 3600


class ConditionsError(Exception):
    """A file of conditions that says something impossible. The message is for whoever wrote it."""


@dataclass(frozen=True, slots=True)
class Figure:
    """`find`: a pattern with one group. `expected` is None for a figure that depends on the machine: it is only shown."""

    what: str
    find: str
    expected: float | None
    tolerance: float


@dataclass(frozen=True, slots=True)
class Run:
    """`command`: a script and its arguments, from the repository's root; `{data}` is the data sets' folder. `is_quick`: it needs
    no data and takes less than a minute or two. `is_long`: it takes so long that it is run only when that is asked for."""

    name: str
    command: str
    figures: tuple[Figure, ...]
    is_quick: bool
    is_long: bool

    @property
    def needs_data(self) -> bool:
        return "{data}" in self.command


@dataclass(frozen=True, slots=True)
class Outcome:
    """`value` is None where the command failed or printed no such figure: `problem` says why."""

    figure: Figure
    value: float | None
    problem: str = ""

    @property
    def is_reproduced(self) -> bool:
        if self.figure.expected is None:
            return not self.problem
        return self.value is not None and abs(self.value - self.figure.expected) <= self.figure.tolerance


def read_conditions(path: Path) -> list[Run]:
    """Raises ConditionsError for a file that is none, and for a pattern that cannot find one number."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        runs = [
            Run(
                row["name"],
                row["command"],
                tuple(
                    Figure(item["what"], item["find"], item.get("expected"), float(item.get("tolerance", 0)))
                    for item in row["figures"]
                ),
                bool(row.get("quick", False)),
                bool(row.get("long", False)),
            )
            for row in content["run"]
        ]
        patterns = [re.compile(figure.find) for run in runs for figure in run.figures]
    except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError, ValueError, re.error) as error:
        raise ConditionsError(f"{path} is no file of conditions: {error}.") from error
    if any(pattern.groups != 1 for pattern in patterns):
        raise ConditionsError(f"{path}: every “find” needs one group, around the number.")
    return runs


def reproduce(run: Run, *, root: Path, data: Path | None) -> Iterator[Outcome]:
    """Run its command once and look for each figure in what it prints."""
    if run.needs_data and data is None:
        yield from (Outcome(figure, None, "needs --data") for figure in run.figures)
        return
    arguments = [part.replace("{data}", str(data)) for part in shlex.split(run.command)]
    printed, problem = _printed([sys.executable, *arguments], root)
    for figure in run.figures:
        found = re.search(figure.find, printed)
        if problem or found is None:
            yield Outcome(figure, None, problem or "not printed")
        else:
            yield Outcome(figure, float(found.group(1)))


def _printed(command: Sequence[str], root: Path) -> tuple[str, str]:
    try:
        done = subprocess.run(command, cwd=root, stdout=subprocess.PIPE, text=True, timeout=LONGEST_S, check=False)
    except subprocess.TimeoutExpired:
        return "", f"took longer than {LONGEST_S // 3600} hours"
    return done.stdout, f"ended with status {done.returncode}" if done.returncode else ""
