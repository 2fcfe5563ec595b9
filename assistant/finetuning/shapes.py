"""The tickets, clauses and functions of a specialist's documents as questions, and the parts of files that hold many."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

from ingestion.models import DocumentText
from specialists.finetuning.clauses import Wording, clause_pairs
from specialists.finetuning.howto import callable_name, code_pairs, is_test, usage_pairs
from specialists.finetuning.pairs import Pair, Section
from specialists.finetuning.records import CODE, READ, Piece, Record, records_of, starts_of_parts
from specialists.finetuning.tickets import ticket_pairs

AT_ONCE = 500  # documents of a query

Read = tuple[list[Record], list[Section], DocumentText]


def with_parts(sections: dict[int, Section]) -> dict[int, Section]:
    """Passages of files of many tickets or contracts, with the number of theirs."""
    parted = dict(sections)
    for records, own, content in _read(sections, code=False):
        starts = starts_of_parts(content.document.format, pieces_of(content))
        if len(starts) < 2 or not any(True for _ in _pairs(records, own, content.text)):
            continue
        begun = sorted({section.start for section in own} & set(starts))
        for section in own:
            parted[section.chunk] = replace(section, part=bisect_right(begun, section.start))
    return parted


def shaped_pairs(sections: dict[int, Section]) -> Iterator[Pair]:
    for records, own, content in _read(sections, code=False):
        yield from _pairs(records, own, content.text)
    files = list(_read(sections, code=True))
    product = [item for item in files if not is_test(item[2].document.source_name)]
    for records, own, _ in product:
        for record in records:
            yield from code_pairs(record, own)
    known = {name for records, _, _ in product for record in records if (name := callable_name(record))}
    for records, own, content in files:
        if is_test(content.document.source_name):
            for record in records:
                yield from usage_pairs(record, own, known)


def _pairs(records: Sequence[Record], own: Sequence[Section], text: str) -> Iterator[Pair]:
    wording = Wording(text)
    for record in records:
        yield from ticket_pairs(record, own)
        yield from clause_pairs(record, own, wording)


def _read(sections: dict[int, Section], *, code: bool) -> Iterator[Read]:
    """One document at a time: their texts may be large."""
    by_document = {
        document: list(items)
        for document, items in groupby(sorted(sections.values(), key=lambda item: (item.document, item.start)), _document)
    }
    documents = list(by_document)
    for first in range(0, len(documents), AT_ONCE):
        for content in _contents(documents[first : first + AT_ONCE], CODE if code else READ - CODE):
            own = by_document[content.document_id]
            if any(not content.text.startswith(section.text, section.start) for section in own):
                continue  # it was replaced since its passages were read
            records = list(records_of(content.document.format, content.text, pieces_of(content)))
            if records:
                yield records, own, content


def _contents(documents: Sequence[int], formats: Collection[str]) -> Iterator[DocumentText]:
    found = DocumentText.objects.filter(document__in=documents, document__format__in=formats)
    return found.select_related("document").order_by("document_id").iterator(chunk_size=1)


def _document(section: Section) -> int:
    return section.document


def pieces_of(content: DocumentText) -> list[Piece]:
    return [_piece(block) for block in content.blocks]


def _piece(block: dict[str, Any]) -> Piece:
    return Piece(
        block["kind"], block["start"], block["end"], tuple(block.get("heading_path", ())), block.get("level", 0),
        block.get("table"), bool(block.get("is_header")), tuple((start, end) for start, end in block.get("cells", ())),
    )  # fmt: skip
