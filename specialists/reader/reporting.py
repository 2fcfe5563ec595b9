"""A reader's figures as evaluate_specialist prints and keeps them: measured as it is served, prepared for this host."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from specialists.encoders.export import MODEL, Precision, prepare_specialist
from specialists.errors import DataError
from specialists.reader.evaluation import Measure, ReadRow, cross_chosen, read_rows, score_rows
from specialists.reader.rows import ReaderRow, load_rows, questions_in_common
from specialists.reader.serving import KIND, Reader, ReaderPassage

TIMED = 100


@dataclass(frozen=True, slots=True)
class ReaderReport:
    """`megabytes`: of the graph that is served."""

    questions: int
    unanswerable: int
    measures: dict[str, Measure]
    milliseconds: float
    megabytes: float


def report_reader(source: Path, rows: Sequence[ReaderRow], *, precision: Precision = "int8") -> ReaderReport:
    """Raises SpecialistError."""
    with tempfile.TemporaryDirectory() as name:
        reader = _prepared(source, Path(name), precision)
        measures, speed = _measures(_read(reader, rows)), _milliseconds(reader, rows)
        size = (Path(name) / KIND / MODEL).stat().st_size / 1e6
    unanswerable = sum(not row.answers for row in rows)
    return ReaderReport(len(rows), unanswerable, measures, round(speed, 1), round(size, 1))


def measure_reader(source: Path, rows: Sequence[ReaderRow]) -> dict[str, Measure]:
    """The measures alone, without the time, which would have many rows read once more. Raises SpecialistError."""
    with tempfile.TemporaryDirectory() as name:
        return _measures(_read(_prepared(source, Path(name), "int8"), rows))


def _prepared(source: Path, scratch: Path, precision: Precision) -> Reader:
    prepare_specialist(source, KIND, scratch / KIND, precision)
    return Reader(source, scratch / KIND)


def _read(reader: Reader, rows: Sequence[ReaderRow]) -> list[ReadRow]:
    with tqdm(total=len(rows), unit="question", mininterval=1.0) as bar:
        return read_rows(reader, rows, report=lambda done: bar.update(done - bar.n))


def _milliseconds(reader: Reader, rows: Sequence[ReaderRow]) -> float:
    """Of one question about its own text, with nothing beside it: the mean over some of the rows."""
    timed = rows[:: -(-len(rows) // TIMED)]
    started = time.perf_counter()
    for row in timed:
        reader.read(row.question, [ReaderPassage(1, row.text, row.context)])
    return (time.perf_counter() - started) / len(timed) * 1000


def _measures(read: Sequence[ReadRow]) -> dict[str, Measure]:
    """At the reader's own threshold 0, and, where there are questions without an answer, at one chosen on other articles."""
    measures = score_rows(read)
    if all(item.row.answers for item in read):
        return {name: value for name, value in measures.items() if name.startswith("answerable")}
    chosen = score_rows(cross_chosen(read))
    return measures | {f"{name}, threshold chosen": value for name, value in chosen.items() if not name.startswith("answerable")}


def rows_to_test(data: Sequence[Path], *, trained_on: Sequence[Path] = (), limit: int = 0) -> list[ReaderRow]:
    """All rows, or every n-th so that there are at most `limit`.

    Raises DataError when a question is in a file that was trained on: such a test says nothing."""
    rows = [row for path in data for row in load_rows(path)]
    for path in trained_on:
        shared = questions_in_common(load_rows(path), rows)
        if shared:
            message = (
                f"{len(shared)} questions are in {path} too, such as {shared[0]}. A test must not hold what was trained on: "
            )
            raise DataError(f"{message}remove them from one of the two.")
    return rows[:: -(-len(rows) // limit)] if limit else rows
