"""Tickets, mailboxes, annotated contracts and source code: what their parsers keep together."""

from __future__ import annotations

import json
import time
from email.policy import EmailPolicy
from pathlib import Path

import pytest

from ingestion.parsers.base import ParsedDocument, ParseError
from ingestion.parsers.formats import read_document

MAILBOX = """From ada@example.org Mon Feb  2 10:00:00 2026
From: Ada <ada@example.org>
Subject: Gate stays shut
Message-ID: <1@example.org>

The gate of hall 3 stays shut.
>From the office it can be opened.

From cy@example.org Mon Feb  2 10:30:00 2026
From: Cy <cy@example.org>
Subject: Lunch

Soup today.

From ben@example.org Mon Feb  2 11:00:00 2026
From: Ben <ben@example.org>
Subject: Re: Gate stays shut
In-Reply-To: <1@example.org>

The fuse was blown. Change it.

From ada@example.org Mon Feb  2 12:00:00 2026
From: Ada <ada@example.org>
Subject: AW: Re: gate stays SHUT

It works again.
"""
PYTHON = '''"""Sends reports."""

import os

LIMIT = 3


class Mailer:
    """Keeps a connection."""

    retries = 2

    @property
    def address(self) -> str:
        """Where it sends from."""
        return os.environ["FROM"]

    def send(
        self,
        to: str,
    ) -> None:
        # Nothing is said about it.
        print(to)


def stop(): return None
'''
SCRIPT = """// The client.

/**
 * Opens the gate.
 * Waits for the motor.
 */
@Logged
public void open(int gate) {
    run(gate);
}

// Closes it.
export async function close(gate) {
  return 1;
}
"""


def parse(folder: Path, name: str, text: str) -> ParsedDocument:
    path = folder / "stored"
    path.write_text(text, encoding="utf-8")
    return read_document(path, name)


def parts(parsed: ParsedDocument) -> list[tuple[str, str, str]]:
    return [(" > ".join(block.heading_path), block.kind, parsed.text[block.start : block.end]) for block in parsed.blocks]


def test_it_puts_the_messages_of_a_thread_together(tmp_path: Path) -> None:
    found = parts(parse(tmp_path, "a.mbox", MAILBOX))

    assert [text for _, kind, text in found if kind == "heading"] == ["Gate stays shut", "Lunch"]
    assert [text for path, _, text in found if path == "Gate stays shut"] == [
        "From: Ada <ada@example.org>", "The gate of hall 3 stays shut.\nFrom the office it can be opened.",
        "From: Ben <ben@example.org>", "The fuse was blown. Change it.",
        "From: Ada <ada@example.org>", "It works again.",
    ]  # fmt: skip


def test_it_parses_no_plain_header_of_a_large_mailbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parsing took most of the time that a child has: of 5,000 messages with the ids of 40 others each, a minute."""
    parsed: list[str] = []
    fetch = EmailPolicy.header_fetch_parse
    monkeypatch.setattr(
        EmailPolicy, "header_fetch_parse", lambda self, name, value: parsed.append(name) or fetch(self, name, value)
    )
    chain = [f"<{number}@example.org>" for number in range(60)]
    messages = [
        f"From a@example.org Mon Feb  2 10:00:00 2026\nFrom: Ada <ada@example.org>\nTo: Ben <ben@example.org>,\n"
        f" cy@example.org\nDate: Mon, 2 Feb 2026 10:00:00 +0000\nSubject: Subject {number}\nMessage-ID: {chain[number]}\n"
        f"References: {' '.join(chain[:number])}\n\nText {number}.\n\n"
        for number in range(60)
    ]  # fmt: skip
    found = parts(parse(tmp_path, "a.mbox", "".join(messages)))
    assert parsed == []
    assert [text for _, kind, text in found if kind == "heading"] == ["Subject 0"]
    assert "From: Ada <ada@example.org>\nTo: Ben <ben@example.org>, cy@example.org\nDate: Mon, 2 Feb 2026 10:00:00 +0000" in [
        text for _, _, text in found
    ]
    assert len(found) == 1 + 2 * 60


def test_it_begins_no_message_at_a_line_that_no_header_follows(tmp_path: Path) -> None:
    body = "Meet at the gate.\n\nFrom here on we walk.\n\nBring water.\n"
    parsed = parse(tmp_path, "a.mbox", f"From ada@example.org Thu Jan  1 10:00:00 2026\nSubject: Walk\n\n{body}")
    assert [text for path, kind, text in parts(parsed) if kind != "heading"] == [
        "Meet at the gate.", "From here on we walk.", "Bring water.",
    ]  # fmt: skip


def test_it_keeps_the_cells_of_a_record_that_no_column_names(tmp_path: Path) -> None:
    rows = [f"Gate {number},{'It does not start. ' * 40},the fuse of hall {number} was blown" for number in range(3)]
    parsed = parse(tmp_path, "a.csv", "\n".join(["Subject,Conversation", *rows]))
    assert "the fuse of hall 2 was blown" in parsed.text


def test_it_reads_a_comment_of_spaces_at_once(tmp_path: Path) -> None:
    script = "// Opens the gate." + " " * 1_500 + "!\n/* Closes it. */\nexport function close() {\n}\n"
    started = time.process_time()
    parsed = parse(tmp_path, "a.js", script)
    assert time.process_time() - started < 5
    assert ("close", "paragraph") in [(path, kind) for path, kind, _ in parts(parsed)]
    assert "*/" not in parsed.text


def test_it_reads_long_rows_as_records_and_short_ones_as_a_table(tmp_path: Path) -> None:
    long = "It does not start. " * 40
    rows = [f'"{long}",Gate {number},"Changed the fuse."' for number in range(3)]

    records = parse(tmp_path, "a.csv", "\n".join(["Conversation,Subject,Resolution", *rows]))
    table = parse(tmp_path, "a.csv", "Conversation,Subject,Resolution\nNo start,Gate,Fuse\n")

    assert parts(records)[:3] == [
        ("", "heading", "Gate 0"),
        ("Gate 0", "paragraph", "Resolution: Changed the fuse."),
        ("Gate 0", "paragraph", f"Conversation: {long.strip()}"),
    ]
    assert [kind for _, kind, _ in parts(table)] == ["table_row", "table_row"]
    wide = "\n".join([",".join(f"column {number}" for number in range(80)), ",".join(["figure 1.5"] * 80)])
    assert {kind for _, kind, _ in parts(parse(tmp_path, "a.csv", wide))} == {"table_row"}


def test_it_reads_lines_of_tickets_with_their_conversations(tmp_path: Path) -> None:
    said = [{"author": "Ada", "text": "It is stuck."}, {"author": "Ben", "body": "Turn it."}]
    ticket = {"subject": "Valve", "status": None, "tags": ["a", "b"], "conversation": said}

    parsed = parse(tmp_path, "a.jsonl", f"{json.dumps(ticket)}\nnonsense\n\n")

    assert [text for _, _, text in parts(parsed)] == ["Valve", "tags: a, b", "conversation: Ada: It is stuck.\nBen: Turn it."]
    assert parsed.warnings == ("1 line is no JSON object and left out.",)


def test_it_reads_a_contract_with_its_clauses(tmp_path: Path) -> None:
    words = "The law of Belgium applies."
    asked = [
        {"id": "SUP__Governing Law", "question": "…", "risk": "low", "answers": [{"text": words, "answer_start": 0}]},
        {"id": "SUP__Exclusivity", "question": "…", "answers": [], "is_impossible": True},
    ]
    content = {"data": [{"title": "Supply", "paragraphs": [{"context": f"{words} Courts sit in Ghent.", "qas": asked}]}]}

    parsed = parse(tmp_path, "a.json", json.dumps(content))

    assert parts(parsed)[1:] == [
        ("Supply", "paragraph", "The law of Belgium applies. Courts sit in Ghent."),
        ("Supply", "heading", "Clauses"),
        ("Supply > Clauses", "table_row", "Clause type | Risk | Words"),
        ("Supply > Clauses", "table_row", "Governing Law | low | The law of Belgium applies."),
        ("Supply > Clauses", "table_row", "Exclusivity |  | not in this contract"),
    ]


@pytest.mark.parametrize("content", ["[]", "[1]", '{"data": [{"title": "x"}]}', '{"data": 3}', '"text"'])
def test_it_refuses_json_that_is_neither(tmp_path: Path, content: str) -> None:
    with pytest.raises(ParseError, match="Only lists of records and annotated contracts"):
        parse(tmp_path, "a.json", content)


def test_it_reads_python_by_its_functions_and_classes(tmp_path: Path) -> None:
    found = parts(parse(tmp_path, "a.py", PYTHON))

    assert found[0] == ("", "paragraph", "Sends reports.")
    assert [text for _, kind, text in found if kind == "heading"] == ["Mailer", "Mailer.address", "Mailer.send", "stop"]
    assert [text for path, _, text in found if path == "Mailer > Mailer.address"] == [
        "    @property\n    def address(self) -> str:", "Where it sends from.", '        return os.environ["FROM"]',
    ]  # fmt: skip
    assert "def send(" in next(text for path, _, text in found if path == "Mailer > Mailer.send")
    assert found[-1] == ("stop", "code", "def stop(): return None")
    kept = "".join(text for _, _, text in found)
    assert all(line.strip('" ') in kept for line in PYTHON.split("\n"))


def test_it_reads_python_that_its_grammar_refuses_by_lines(tmp_path: Path) -> None:
    found = parts(parse(tmp_path, "a.py", "# Says hello.\ndef hello():\n    print 'hello'\n"))

    assert found == [
        ("", "heading", "hello"), ("hello", "code", "def hello():"), ("hello", "paragraph", "Says hello."),
        ("hello", "code", "    print 'hello'"),
    ]  # fmt: skip


def test_it_reads_other_languages_by_their_declarations_and_comments(tmp_path: Path) -> None:
    found = parts(parse(tmp_path, "a.ts", SCRIPT))

    assert [text for _, kind, text in found if kind == "heading"] == ["open", "close"]
    assert ("open", "paragraph", "Opens the gate.\nWaits for the motor.") in found
    assert ("close", "paragraph", "Closes it.") in found
    assert ("close", "code", "export async function close(gate) {") in found


def test_it_says_how_many_values_of_records_it_leaves_out(tmp_path: Path) -> None:
    wide = {f"field {number}": f"value {number}" for number in range(203)}
    deep = {"subject": "Gate", "comments": [f"comment {number}" for number in range(201)]}
    for name, text in (("a.json", json.dumps([wide, deep])), ("a.jsonl", f"{json.dumps(wide)}\n{json.dumps(deep)}\n")):
        parsed = parse(tmp_path, name, text)
        assert parsed.warnings == ("4 values were left out: of a record, a list or an object, the first 200 are read.",)
        assert "value 199" in parsed.text and "comment 199" in parsed.text
        assert "value 200" not in parsed.text and "comment 200" not in parsed.text
    fits = parse(tmp_path, "a.json", json.dumps([{"subject": "Gate", "comments": ["opens"] * 200}]))
    assert fits.warnings == ()
