"""What an embedder learns from: a question, the passage that answers it, and passages that are close and do not."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from retrieval.files import fsync_path, text_lines
from specialists.errors import DataError


@dataclass(frozen=True, slots=True)
class EmbedderRow:
    """Passages as they are embedded, with their headings. `wrong` may be empty: the batch's other passages are wrong, too."""

    question: str
    passage: str
    wrong: tuple[str, ...] = ()


def write_rows(path: Path, rows: Iterable[EmbedderRow]) -> None:
    """There wholly or not at all, and for its owner's eyes alone: the lines are the organization's own words."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.touch(mode=0o600)
    with temporary.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(asdict(row), ensure_ascii=False) + "\n")
    fsync_path(temporary)
    temporary.replace(path)


def read_rows(path: Path) -> list[EmbedderRow]:
    """Raises DataError with the line that is none."""
    rows = []
    for number, line in enumerate(text_lines(path), start=1):
        try:
            row = json.loads(line)
            rows.append(EmbedderRow(str(row["question"]), str(row["passage"]), tuple(map(str, row["wrong"]))))
        except (ValueError, KeyError, TypeError):
            raise DataError(f"{path}:{number} is no row of question, passage and wrong passages.") from None
    return rows
