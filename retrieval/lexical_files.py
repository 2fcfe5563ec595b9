"""Checks the files of a tantivy index against the checksums in their footers, which tantivy writes but does not read."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path

META = "meta.json"
_FOOTER_MAGIC = 1337
_TAIL = struct.Struct("<II")  # length of the footer's JSON, magic number
_BLOCK = 1 << 20

Seen = frozenset[tuple[str, int, int, int]]


def verify_segments(folder: Path, seen: Seen) -> Seen:
    """Check every file of the segments that meta.json names, except those in `seen`; what is sound now.

    Raises ValueError for a damaged file and OSError for a missing one. Segment files never change once they are written."""
    meta = json.loads((folder / META).read_bytes())
    names = {segment["segment_id"].replace("-", "") for segment in meta["segments"]}
    sound = set()
    for path in folder.iterdir():
        if path.name.partition(".")[0] in names:
            status = path.stat()
            key = (path.name, status.st_ino, status.st_mtime_ns, status.st_size)
            if key not in seen:
                _verify_file(path, status.st_size)
            sound.add(key)
    return frozenset(sound)


def _verify_file(path: Path, size: int) -> None:
    with path.open("rb") as file:
        file.seek(max(0, size - _TAIL.size))
        length, magic = _TAIL.unpack(file.read(_TAIL.size).rjust(_TAIL.size, b"\0"))
        body = size - _TAIL.size - length
        if magic != _FOOTER_MAGIC or body < 0:
            raise ValueError(f"{path.name} has no footer")
        file.seek(body)
        expected = json.loads(file.read(length))["crc"]
        file.seek(0)
        checksum, left = 0, body
        while left > 0 and (block := file.read(min(_BLOCK, left))):
            checksum = zlib.crc32(block, checksum)
            left -= len(block)
    if checksum != expected or left:
        raise ValueError(f"{path.name} does not match its checksum")
