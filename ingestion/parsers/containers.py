"""Office files are ZIP archives: what is checked in one before anything is inflated."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ingestion.parsers.base import ParseError

MAX_ENTRIES = 2_000
MAX_PART = 100 * 1024 * 1024  # bytes, inflated
MAX_TOTAL = 200 * 1024 * 1024
MAX_RATIO = 100
RATIO_COUNTS_FROM = 1024 * 1024  # a small part may be as repetitive as it likes
_XML_ENDINGS = (".xml", ".rels", ".vml")  # what becomes a tree many times its size; an embedded picture may be all white
_STRICT = b"http://purl.oclc.org/ooxml/"
MAX_SMALL_PART = 1024 * 1024

_MAIN_TYPES = {
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml": "docx",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation.main+xml": "pptx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml": "xlsx",
}
_PROGRAMS = {"docx": "Word", "pptx": "PowerPoint", "xlsx": "Excel"}


def check_office_file(path: Path, name: str) -> None:
    """Refuse what is not a plain `name` (docx, pptx, xlsx) file within the limits. Raises ParseError."""
    program = _PROGRAMS[name]
    with reading(name), zipfile.ZipFile(path) as archive:
        check_entries(archive.infolist())
        found = _main_type(archive)
        is_strict = _STRICT in _small_part(archive, "_rels/.rels")
    if "macroEnabled" in found:
        raise ParseError("macros", f"The file contains macros. Save it as .{name}, without macros, and upload it again.")
    if is_strict:
        raise ParseError(
            "strict_format",
            f"The file is in the “Strict Open XML” form. Save it in {program} as an ordinary .{name} and upload it again.",
        )
    if found in _MAIN_TYPES and _MAIN_TYPES[found] != name:
        real = _MAIN_TYPES[found]
        raise ParseError(
            "mislabelled",
            f"The file is named .{name} but is a {_PROGRAMS[real]} file. Rename it to end in .{real} and upload it again.",
        )
    if found not in _MAIN_TYPES:
        raise ParseError(
            "mislabelled",
            f"The file is named .{name} but is not a {program} document. Open it in {program} and save it as .{name}.",
        )


@contextmanager
def reading(name: str, *others: type[Exception]) -> Iterator[None]:
    """What the Office libraries raise over a damaged file is a ParseError. They check little, so it is nearly anything."""
    from lxml.etree import LxmlError

    damage = (
        zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, LxmlError, LookupError, ValueError, TypeError, AttributeError,
        SyntaxError, ArithmeticError, AssertionError, NotImplementedError, OSError, EOFError,
    )  # fmt: skip
    try:
        yield
    except (*damage, *others):
        program = _PROGRAMS[name]
        raise ParseError(
            "damaged", f"The file is damaged. Open it in {program}, save it as .{name} and upload it again."
        ) from None


def check_entries(entries: list[zipfile.ZipInfo]) -> None:
    """Refuse bombs by what the archive declares; zipfile never inflates more of an entry than it declares."""
    if len(entries) > MAX_ENTRIES:
        raise ParseError("too_many_parts", f"The file is made of more than {MAX_ENTRIES:,} parts. Split it and upload the parts.")
    if any(entry.flag_bits & 0x1 for entry in entries):
        raise ParseError("encrypted", "The file is protected with a password. Remove the password and upload it again.")
    largest = max((entry.file_size for entry in entries), default=0)
    if largest > MAX_PART or sum(entry.file_size for entry in entries) > MAX_TOTAL:
        raise ParseError(
            "unpacks_too_big",
            f"The file unpacks to more than {MAX_TOTAL // 2**20} MB ({MAX_PART // 2**20} MB in one part). Split it.",
        )
    for entry in entries:
        is_xml = entry.filename.lower().endswith(_XML_ENDINGS)
        if is_xml and entry.file_size > RATIO_COUNTS_FROM and entry.file_size > MAX_RATIO * max(entry.compress_size, 1):
            raise ParseError(
                "unpacks_too_big",
                f"A part of the file unpacks to more than {MAX_RATIO} times its size, as harmful files do."
                " Save it again in its own program, or split it.",
            )
    _check_overlaps(entries)


def _check_overlaps(entries: list[zipfile.ZipInfo]) -> None:
    """Entries that share bytes let a small archive unpack to a huge one; a real one has none."""
    end = 0
    for entry in sorted(entries, key=lambda entry: entry.header_offset):
        if entry.header_offset < end:
            raise ParseError("damaged", "Parts of the file lie on top of each other. Save it again in its own program.")
        end = entry.header_offset + 30 + entry.compress_size


def _small_part(archive: zipfile.ZipFile, name: str) -> bytes:
    entry = archive.getinfo(name)
    if entry.file_size > MAX_SMALL_PART:
        raise ValueError(f"{name} is too large")
    return archive.read(entry)


def _main_type(archive: zipfile.ZipFile) -> str:
    """The content type of the package's main part, or "" when it declares none."""
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False)
    root = etree.fromstring(_small_part(archive, "[Content_Types].xml"), parser)
    types = [element.get("ContentType", "") for element in root.iterchildren("{*}Override", "{*}Default")]
    macro = next((kind for kind in types if "macroEnabled.main" in kind), "")
    return macro or next((kind for kind in types if kind in _MAIN_TYPES or kind.endswith(".main+xml")), "")
