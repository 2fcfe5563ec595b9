"""The arguments that narrow a search, the same for every command that searches."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any

from ingestion.filters import Filters, read_date


def add_filters(parser: ArgumentParser) -> None:
    parser.add_argument("--corpus", action="append", default=[], help="narrow to this corpus; may be repeated")
    parser.add_argument(
        "--type", dest="types", action="append", default=[], help="a document's format, as in pdf; may be repeated"
    )
    parser.add_argument("--owner", dest="owners", action="append", default=[], help="a corpus's owner; may be repeated")
    parser.add_argument("--tag", dest="tags", action="append", default=[], help="a document's tag; may be repeated")
    parser.add_argument("--title", dest="titles", action="append", default=[], help="words of the title; may be repeated")
    parser.add_argument("--after", metavar="DAY", help="changed on this day or later")
    parser.add_argument("--before", metavar="DAY", help="changed before this day")


def filters_of(options: Mapping[str, Any]) -> Filters:
    """Raises FilterError for a day that is none."""
    return Filters(
        types=tuple(options["types"]), owners=tuple(options["owners"]), tags=tuple(options["tags"]),
        titles=tuple(options["titles"]),
        after=read_date(options["after"], "after") if options["after"] else None,
        before=read_date(options["before"], "before") if options["before"] else None,
    )  # fmt: skip
