"""JSON: lines or a list of records, and annotated contracts in the form of CUAD, which is SQuAD's. Other JSON is refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ingestion.parsers.base import ParsedDocument, ParseError
from ingestion.parsers.builder import DocumentBuilder
from ingestion.parsers.cleaning import clean, one_line
from ingestion.parsers.decoding import decode
from ingestion.parsers.records import add_record
from ingestion.parsers.text import add_text

MAX_RECORDS = 20_000
MAX_VALUES = 200  # of one record, and of a list or an object in it
LONGEST_WORDS = 300  # characters of a clause in the table of clauses; the whole of it stands in the contract
COLUMNS = ("Clause type", "Risk", "Words")
NO_SUCH = "not in this contract"
CLAUSES = "Clauses"
_SPEAKERS = ("author", "from", "role", "sender", "speaker", "name")
_SAID = ("text", "body", "content", "message", "value")
_OTHER = "Only lists of records and annotated contracts (CUAD, SQuAD) are read as JSON. Save it as text, or one record in a line."


class JsonLinesParser:
    """One record in a line."""

    formats = frozenset({"jsonl"})

    def parse(self, path: Path) -> ParsedDocument:
        builder, values = DocumentBuilder(), _Values()
        count = broken = 0
        for line in clean(decode(path.read_bytes())).split("\n"):
            if not line.strip():
                continue
            record = _loaded(line)
            if not isinstance(record, dict):
                broken += 1
                continue
            count += 1
            _check_count(count)
            add_record(builder, values.of(record), count)
        if not count:
            raise ParseError("damaged", "No line of the file is a JSON object. Export it as JSON lines again.")
        if broken:
            builder.warnings.append(f"{broken} line{' is' if broken == 1 else 's are'} no JSON object and left out.")
        values.warn(builder)
        return builder.build()


class JsonParser:
    """A list of records, or contracts with their clauses."""

    formats = frozenset({"json"})

    def parse(self, path: Path) -> ParsedDocument:
        builder = DocumentBuilder()
        found = _loaded(clean(decode(path.read_bytes())))
        if found is None:
            raise ParseError("damaged", "The file is no JSON. Export it again.")
        if isinstance(found, dict) and isinstance(found.get("data"), list):
            contracts = [item for item in found["data"] if isinstance(item, dict) and isinstance(item.get("paragraphs"), list)]
            if not contracts:
                raise ParseError("unsupported_json", _OTHER)
            for contract in contracts:
                _add_contract(builder, contract)
            return builder.build(title=str(contracts[0].get("title", "")) if len(contracts) == 1 else "")
        if not isinstance(found, list) or not found or not all(isinstance(item, dict) for item in found):
            raise ParseError("unsupported_json", _OTHER)
        _check_count(len(found))
        values = _Values()
        for number, record in enumerate(found, start=1):
            add_record(builder, values.of(record), number)
        values.warn(builder)
        return builder.build()


def _loaded(text: str) -> Any:
    """None where it is no JSON."""
    try:
        return json.loads(text)
    except ValueError:
        return None


def _check_count(count: int) -> None:
    if count > MAX_RECORDS:
        raise ParseError("too_long", f"The file holds more than {MAX_RECORDS:,} records. Split it and upload the parts.")


class _Values:
    """The values of records as text, with a count of those that are too many."""

    def __init__(self) -> None:
        self._left_out = 0

    def of(self, record: dict[str, Any]) -> list[tuple[str, str]]:
        found = [(name, self._text(value)) for name, value in self._kept(list(record.items()))]
        return [(name, text) for name, text in found if text.strip()]

    def warn(self, builder: DocumentBuilder) -> None:
        if self._left_out:
            count = "1 value was" if self._left_out == 1 else f"{self._left_out:,} values were"
            builder.warnings.append(f"{count} left out: of a record, a list or an object, the first {MAX_VALUES} are read.")

    def _kept(self, items: list[Any]) -> list[Any]:
        self._left_out += max(0, len(items) - MAX_VALUES)
        return items[:MAX_VALUES]

    def _text(self, value: Any) -> str:
        """A conversation is a list of messages: each becomes a line with who said it."""
        if isinstance(value, str):
            return value
        if isinstance(value, bool) or value is None:
            return {True: "yes", False: "no", None: ""}[value]
        if isinstance(value, dict):
            said = next((value[name] for name in _SAID if isinstance(value.get(name), str)), None)
            if said is not None:
                speaker = next((value[name] for name in _SPEAKERS if isinstance(value.get(name), str)), "")
                return f"{one_line(speaker)}: {said.strip()}" if speaker else said.strip()
            return ", ".join(f"{name} {self._text(item)}" for name, item in self._kept(list(value.items())))
        if isinstance(value, list):
            parts = [self._text(item) for item in self._kept(value)]
            is_prose = any(len(part) > LONGEST_WORDS or ": " in part for part in parts)
            return ("\n" if is_prose else ", ").join(part for part in parts if part)
        return str(value)


def _add_contract(builder: DocumentBuilder, contract: dict[str, Any]) -> None:
    """Its text, then a table of its clauses: what type each is, its risk where the file says so, and its words."""
    builder.leave_headings()
    builder.heading(str(contract.get("title") or "Contract"), 1)
    rows: list[tuple[str, str, str]] = []
    for paragraph in (item for item in contract["paragraphs"] if isinstance(item, dict)):
        add_text(builder, str(paragraph.get("context") or ""))
        questions = paragraph.get("qas")
        for asked in questions if isinstance(questions, list) else ():
            if isinstance(asked, dict):
                rows += _clauses(asked)
    if rows:
        builder.leave_headings(2)
        builder.heading(CLAUSES, 2)
        builder.table([COLUMNS, *dict.fromkeys(rows)], has_header=True)


def _clauses(asked: dict[str, Any]) -> Sequence[tuple[str, str, str]]:
    """CUAD names the type at the end of a question's id, after two underscores, and between quotes in the question."""
    identifier, question = str(asked.get("id") or ""), str(asked.get("question") or "")
    kind = identifier.rpartition("__")[2] if "__" in identifier else ""
    kind = kind or (question.split('"')[1] if question.count('"') > 1 else question)
    answers = asked.get("answers")
    words = [
        (str(item.get("text") or ""), str(item.get("risk") or asked.get("risk") or ""))
        for item in (answers if isinstance(answers, list) else ())
        if isinstance(item, dict) and str(item.get("text") or "").strip()
    ]
    if not words:
        return [(kind, "", NO_SUCH)] if kind else []
    return [(kind, risk, _shortened(one_line(text))) for text, risk in words]


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_WORDS else text[:LONGEST_WORDS].rpartition(" ")[0] + " …"
