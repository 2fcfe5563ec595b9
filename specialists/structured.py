"""Answers that a program reads: an object of a JSON schema, from models that can be held to one."""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field

from specialists.errors import SpecialistError
from specialists.language_models.types import SCHEMA_REFUSED, End, LanguageModel, Message, Piece, Schema, Waiting


@dataclass(frozen=True, slots=True)
class Filled:
    """`values`: each field of the schema with its text; None where the model could not be held to the schema."""

    values: dict[str, str] | None
    end: End = field(default_factory=lambda: End("stop"))


def fields_schema(*names: str) -> Schema:
    """Of an object that has a text for each of the names, and nothing else. It is written in this order."""
    return {
        "type": "object",
        "properties": {name: {"type": "string"} for name in names},
        "required": list(names),
        "additionalProperties": False,
    }


def fill_in(
    model: LanguageModel, messages: Sequence[Message], names: Sequence[str], *, most_tokens: int, adapter: str = ""
) -> Generator[Waiting, None, Filled]:
    """Ask for a text under each of the names. Yields Waiting while others are before it. Raises SpecialistError."""
    if not model.takes_schemas:
        return Filled(None)
    written, end = "", End("stop")
    try:
        for piece in model.generate(messages, most_tokens=most_tokens, adapter=adapter, schema=fields_schema(*names)):
            if isinstance(piece, Waiting):
                yield piece
            elif isinstance(piece, Piece):
                written += piece.text
            else:
                end = piece
    except SpecialistError as error:
        if error.code != SCHEMA_REFUSED:
            raise
        return Filled(None)
    return Filled(_read(written, names), end)


def _read(written: str, names: Sequence[str]) -> dict[str, str] | None:
    try:
        found = json.loads(written)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or not all(isinstance(found.get(name), str) for name in names):
        return None
    return {name: found[name] for name in names}
