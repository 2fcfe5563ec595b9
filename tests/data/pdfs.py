"""PDF files written by hand: as many pages as wanted, text where it is wanted, and the hostile kinds."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Text:
    """A line of Helvetica at (x, y) points from the bottom left corner."""

    words: str
    y: float
    x: float = 72
    size: float = 12


def paragraphs(*texts: Sequence[str] | str, top: float = 720) -> list[Text]:
    """Texts as paragraphs (a string is one of one line; its lines otherwise); one that begins with "# " is large."""
    lines: list[Text] = []
    y = top
    for text in texts:
        for line in [text] if isinstance(text, str) else text:
            size = 20 if line.startswith("# ") else 12
            lines.append(Text(line.removeprefix("# "), y, size=size))
            y -= 1.2 * size
        y -= 14
    return lines


def make_pdf(
    pages: Sequence[Sequence[Text]], *, title: str = "", keywords: str = "", rotate: int = 0, password: str = ""
) -> bytes:
    """One page per list of lines; an empty list is a page without text."""
    streams = [_stream(_content(page)) for page in pages]
    return _write([(stream, rotate) for stream in streams], title=title, keywords=keywords, password=password)


def make_many_pages(count: int, words: str = "The same words on every page.") -> bytes:
    """`count` pages that share one content, so that thousands of them stay small."""
    return _write([(_stream(_content([Text(words, 720)])), 0)], copies=count)


def make_flate_bomb(megabytes: int) -> bytes:
    """A page whose content unpacks to this many megabytes of white space, packed twice."""
    packed = zlib.compress(zlib.compress(b" " * (megabytes * 1024 * 1024), 9), 9)
    head = b"<< /Length %d /Filter [/FlateDecode /FlateDecode] >>" % len(packed)
    return _write([(head + b"\nstream\n" + packed + b"\nendstream", 0)])


def _content(lines: Sequence[Text]) -> bytes:
    parts = []
    for line in lines:
        words = line.words.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")
        parts.append(f"BT /F1 {line.size} Tf {line.x} {line.y} Td ({words}) Tj ET")
    return "\n".join(parts).encode("cp1252")


def _stream(content: bytes) -> bytes:
    packed = zlib.compress(content)
    return b"<< /Length %d /Filter /FlateDecode >>\nstream\n" % len(packed) + packed + b"\nendstream"


def _write(
    pages: Sequence[tuple[bytes, int]], *, title: str = "", keywords: str = "", copies: int = 1, password: str = ""
) -> bytes:
    """Number the objects, write them with their cross-reference table. Object 1 is the catalogue, 2 the pages, 3 the font."""
    font = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"
    properties = b"<< /Title (%s) /Keywords (%s) >>" % (title.encode("cp1252"), keywords.encode("cp1252"))
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b"", font, properties]
    kids = []
    for stream, rotate in pages:
        objects.append(stream)
        content = len(objects)
        for _ in range(copies):
            objects.append(
                b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Rotate %d /Contents %d 0 R"
                b" /Resources << /Font << /F1 3 0 R >> >> >>" % (rotate, content)
            )
            kids.append(b"%d 0 R" % len(objects))
    objects[1] = b"<< /Type /Pages /Count %d /Kids [%s] >>" % (len(kids), b" ".join(kids))
    trailer = b"/Root 1 0 R /Info 4 0 R"
    if password:
        objects.append(_encryption(password.encode()))
        trailer += b" /Encrypt %d 0 R /ID [<%s> <%s>]" % (len(objects), _FILE_ID.hex().encode(), _FILE_ID.hex().encode())
    return _numbered(objects, trailer)


def _numbered(objects: Sequence[bytes], trailer: bytes) -> bytes:
    out = bytearray(b"%PDF-1.4\n")
    places = []
    for number, body in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n%s" % (len(objects) + 1, table)
    out += b"trailer\n<< /Size %d %s >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, trailer, start)
    return bytes(out)


# --- The standard security handler, revision 2 (PDF Reference 1.4, section 3.5.2) -----------------------------------

_FILE_ID = bytes(range(16))
_PADDING = bytes.fromhex("28BF4E5E4E758A4164004E56FFFA01082E2E00B6D0683E802F0CA9FE6453697A")


def _encryption(password: bytes) -> bytes:
    padded = (password + _PADDING)[:32]
    owner = _rc4(hashlib.md5(padded).digest()[:5], padded)
    permissions = -4
    key = hashlib.md5(padded + owner + permissions.to_bytes(4, "little", signed=True) + _FILE_ID).digest()[:5]
    user = _rc4(key, _PADDING)
    return b"<< /Filter /Standard /V 1 /R 2 /P %d /O <%s> /U <%s> >>" % (
        permissions, owner.hex().encode(), user.hex().encode(),
    )  # fmt: skip


def _rc4(key: bytes, data: bytes) -> bytes:
    state = list(range(256))
    j = 0
    for i in range(256):
        j = (j + state[i] + key[i % len(key)]) % 256
        state[i], state[j] = state[j], state[i]
    out = bytearray()
    i = j = 0
    for byte in data:
        i = (i + 1) % 256
        j = (j + state[i]) % 256
        state[i], state[j] = state[j], state[i]
        out.append(byte ^ state[(state[i] + state[j]) % 256])
    return bytes(out)
