"""The Markdown sources of the demo's PDF and Office files: reading them, and telling whether a built file is out of date."""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

DEMO = Path(__file__).resolve().parent
SOURCES = DEMO / "sources"
DOCUMENTS = DEMO / "documents"
MANIFEST = SOURCES / "built.json"
MARKDOWN = MarkdownIt("commonmark").enable("table")


@dataclass(frozen=True, slots=True)
class Source:
    """A Markdown source: its front matter, its body, and the document that it becomes."""

    path: Path
    target: Path
    meta: dict[str, str]
    body: str

    @property
    def title(self) -> str:
        return self.meta["title"]

    @property
    def date(self) -> datetime:
        return datetime.fromisoformat(self.meta["date"])

    @property
    def details(self) -> list[tuple[str, str]]:
        """The lines under the title: reference, version, owner and date, as far as the source gives them."""
        named = [("Reference", "reference"), ("Version", "version"), ("Owner", "owner"), ("Status", "status")]
        rows = [(label, self.meta[key]) for label, key in named if key in self.meta]
        return [*rows, ("Date", f"{self.date.day} {self.date:%B %Y}")]


def read_source(path: Path) -> Source:
    """Read `<folders>/<name>.<format>.md`; the target is the same path without `.md`."""
    _, head, body = path.read_text(encoding="utf-8").split("---\n", 2)
    meta = dict(line.split(": ", 1) for line in head.splitlines() if line.strip())
    return Source(path, DOCUMENTS / path.relative_to(SOURCES).with_suffix(""), meta, body)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def source_paths() -> list[Path]:
    return sorted(SOURCES.rglob("*.*.md"))


def current_manifest() -> dict[str, str]:
    """The source's sha256 under each built document's path; compared with the stored one to find what is out of date."""
    return {str(path.relative_to(SOURCES).with_suffix("")): digest(path) for path in source_paths()}


def table_rows(tokens: Sequence[Token]) -> list[list[str]]:
    """The cells of a Markdown table as plain text, header first."""
    rows: list[list[str]] = []
    for token in tokens:
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline":
            rows[-1].append(plain(token))
    return rows


def plain(token: Token) -> str:
    return "".join(" " if child.type == "softbreak" else child.content for child in token.children or [])


def groups(tokens: list[Token]) -> Iterator[tuple[str, list[Token]]]:
    """Cut a token list into its outermost pieces: ("table", […]), ("bullet_list", […]), ("paragraph", […]) and so on."""
    start = depth = 0
    for index, token in enumerate(tokens):
        depth += token.nesting
        if depth == 0:
            yield tokens[start].type.removesuffix("_open"), tokens[start : index + 1]
            start = index + 1


def settle_zip(path: Path, date: datetime) -> None:
    """Give every member the document's date, so that the same source makes the same bytes."""
    stamp = (date.year, date.month, date.day, 9, 0, 0)
    with zipfile.ZipFile(path) as archive:
        members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    modified = f">{date:%Y-%m-%d}T09:00:00Z</dcterms:".encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members:
            settled = data
            if name == "docProps/core.xml":
                settled = re.sub(rb">[^<]*</dcterms:", modified, data)
            archive.writestr(zipfile.ZipInfo(name, stamp), settled, compress_type=zipfile.ZIP_DEFLATED, compresslevel=9)
