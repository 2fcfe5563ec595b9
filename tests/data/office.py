"""Office files made by the libraries that make them, and the ways in which they can be wrong."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from typing import Any

OLE_HEAD = bytes.fromhex("d0cf11e0a1b11ae1")


def make_docx(fill: Callable[[Any], None]) -> bytes:
    import docx

    document = docx.Document()
    fill(document)
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


def make_xlsx(fill: Callable[[Any], None]) -> bytes:
    import openpyxl

    workbook = openpyxl.Workbook()
    fill(workbook)
    buffer = io.BytesIO()
    workbook.save(buffer)
    return buffer.getvalue()


def make_pptx(fill: Callable[[Any], None]) -> bytes:
    import pptx

    presentation = pptx.Presentation()
    fill(presentation)
    buffer = io.BytesIO()
    presentation.save(buffer)
    return buffer.getvalue()


def simple_docx() -> bytes:
    return make_docx(lambda document: document.add_paragraph("A paragraph of a plain document."))


def simple_xlsx() -> bytes:
    return make_xlsx(lambda workbook: workbook.active.append(["Name", "Room"]) or workbook.active.append(["Ada", "2.14"]))


def simple_pptx() -> bytes:
    def fill(presentation: Any) -> None:
        slide = presentation.slides.add_slide(presentation.slide_layouts[1])
        slide.shapes.title.text = "Welcome"
        slide.placeholders[1].text = "The first point"

    return make_pptx(fill)


def with_part(data: bytes, name: str, change: Callable[[bytes], bytes]) -> bytes:
    """The archive with one part changed (or added)."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        for entry in source.infolist():
            if entry.filename != name:
                target.writestr(entry, source.read(entry))
        old = source.read(name) if name in source.namelist() else b""
        target.writestr(name, change(old))
    return out.getvalue()


def with_macros(docx: bytes) -> bytes:
    """A macro-enabled document under the name of a plain one."""
    plain = b"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
    macro = b"application/vnd.ms-word.document.macroEnabled.main+xml"
    return with_part(docx, "[Content_Types].xml", lambda old: old.replace(plain, macro))


def encrypted_ole() -> bytes:
    """The beginning of an encrypted Office file, with the stream that says so."""
    return OLE_HEAD + bytes(504) + "EncryptedPackage".encode("utf-16-le") + bytes(512)


def zip_bomb() -> bytes:
    """A document whose main part unpacks to 80 MB of one letter."""
    return with_part(simple_docx(), "word/document.xml", lambda old: old + b" " * (80 * 1024 * 1024))


def overlapping_zip(data: bytes) -> bytes:
    """The archive with its directory's last entry pointing at the first one's bytes."""
    at = data.rfind(b"PK\x01\x02")
    first = zipfile.ZipFile(io.BytesIO(data)).infolist()[0].header_offset
    return data[: at + 42] + first.to_bytes(4, "little") + data[at + 46 :]


def billion_laughs() -> bytes:
    entities = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
    head = f'<?xml version="1.0"?><!DOCTYPE d [<!ENTITY a0 "laugh">{entities}]>'.encode()

    def laugh(old: bytes) -> bytes:
        return head + old.partition(b"?>")[2].replace(b"A paragraph", b"&a9;")

    return with_part(simple_docx(), "word/document.xml", laugh)


def sparse_xlsx() -> bytes:
    """Two cells, at the sheet's two ends."""

    def fill(workbook: Any) -> None:
        workbook.active["A1"] = "first"
        workbook.active["XFD1048576"] = "last"

    return make_xlsx(fill)
