"""What runs in the sandbox's child: functions of plain arguments that return bytes or raise ParseError."""

from __future__ import annotations

import json
from pathlib import Path

from ingestion.parsers.formats import read_document


def parse(path: str, source_name: str) -> bytes:
    return json.dumps(read_document(Path(path), source_name).to_json(), ensure_ascii=False).encode()
