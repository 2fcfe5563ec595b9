"""Which format a file is: its ending, its first bytes and its structure must agree. And the way from a file to its parser."""

from __future__ import annotations

import codecs
import importlib
import mmap
from dataclasses import replace
from pathlib import Path, PurePosixPath

from ingestion.parsers.base import ParsedDocument, ParseError, Parser
from ingestion.parsers.containers import check_office_file
from ingestion.parsers.decoding import decode

PARSERS: dict[str, str] = {
    "pdf": "ingestion.parsers.pdf.PdfParser",
    "docx": "ingestion.parsers.docx.DocxParser",
    "pptx": "ingestion.parsers.pptx.PptxParser",
    "xlsx": "ingestion.parsers.xlsx.XlsxParser",
    "csv": "ingestion.parsers.csv.CsvParser",
    "html": "ingestion.parsers.html.HtmlParser",
    "markdown": "ingestion.parsers.markdown.MarkdownParser",
    "text": "ingestion.parsers.text.TextParser",
    "eml": "ingestion.parsers.eml.EmlParser",
    "mbox": "ingestion.parsers.mbox.MboxParser",
    "json": "ingestion.parsers.json_records.JsonParser",
    "jsonl": "ingestion.parsers.json_records.JsonLinesParser",
    "python": "ingestion.parsers.code.PythonParser",
    "code": "ingestion.parsers.code.CodeParser",
}
ENDINGS: dict[str, str] = {
    ".pdf": "pdf", ".docx": "docx", ".pptx": "pptx", ".xlsx": "xlsx", ".csv": "csv", ".tsv": "csv", ".html": "html",
    ".htm": "html", ".xhtml": "html", ".md": "markdown", ".markdown": "markdown", ".txt": "text", ".text": "text",
    ".log": "text", ".rst": "text", ".org": "text", ".eml": "eml",
    ".mbox": "mbox", ".json": "json", ".jsonl": "jsonl", ".ndjson": "jsonl", ".py": "python", ".pyi": "python",
    **dict.fromkeys(
        (".js", ".mjs", ".cjs", ".jsx", ".ts", ".tsx", ".java", ".kt", ".scala", ".go", ".rs", ".c", ".h", ".cc", ".cpp", ".hpp",
         ".cs", ".php", ".swift", ".rb", ".sh", ".bash", ".ps1", ".sql", ".lua", ".pl", ".r"),
        "code",
    ),
}  # fmt: skip
READABLE = (
    "PDF, Word (.docx), PowerPoint (.pptx), Excel (.xlsx), CSV, JSON, HTML, Markdown, text, e-mail (.eml, .mbox) and source code "
    "files"
)
# Files that people do have, and what to do with them.
_ADVICE: dict[str, str] = {
    **dict.fromkeys((".doc", ".dot", ".rtf", ".odt", ".pages", ".wpd"), "Save it as .docx and upload it again."),
    **dict.fromkeys((".xls", ".ods", ".numbers", ".xlsb"), "Save it as .xlsx and upload it again."),
    **dict.fromkeys((".ppt", ".pps", ".odp", ".key", ".ppsx"), "Save it as .pptx and upload it again."),
    **dict.fromkeys((".docm", ".dotm", ".dotx"), "Save it as a Word document without macros (.docx) and upload it again."),
    **dict.fromkeys((".xlsm", ".xltm", ".xltx"), "Save it as a workbook without macros (.xlsx) and upload it again."),
    **dict.fromkeys((".pptm", ".ppsm", ".potx"), "Save it as a presentation without macros (.pptx) and upload it again."),
    **dict.fromkeys((".msg", ".pst"), "Save each message as .eml and upload them."),
    **dict.fromkeys((".zip", ".7z", ".rar", ".tar", ".gz", ".tgz"), "Unpack it and upload the files in it."),
    **dict.fromkeys(
        (".png", ".jpg", ".jpeg", ".gif", ".tif", ".tiff", ".bmp", ".webp", ".heic"),
        "Upload a PDF with a text layer.",
    ),
    **dict.fromkeys((".epub", ".mobi", ".ps", ".xps", ".djvu"), "Save it as PDF and upload it again."),
}
_KINDS: tuple[tuple[bytes, str, tuple[str, ...]], ...] = (
    (b"%PDF-", "a PDF file", (".pdf",)),
    (b"PK\x03\x04", "a ZIP archive or an Office file", (".docx", ".pptx", ".xlsx")),
    (b"PK\x05\x06", "an empty ZIP archive", ()),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an older Office file", ()),
    (b"{\\rtf", "a rich-text (RTF) file", ()),
    (b"\x89PNG\r\n", "a picture", ()),
    (b"\xff\xd8\xff", "a picture", ()),
    (b"GIF8", "a picture", ()),
    (b"II*\0", "a picture", ()),
    (b"MM\0*", "a picture", ()),
    (b"\x7fELF", "a program", ()),
    (b"MZ\x90\0", "a program", ()),
    (b"\x1f\x8b\x08", "a packed file", ()),
    (b"7z\xbc\xaf\x27\x1c", "a packed file", ()),
    (b"Rar!\x1a\x07", "a packed file", ()),
)
_WIDE_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_OFFICE = {"docx": "Word", "pptx": "PowerPoint", "xlsx": "Excel"}
_LIMITS_MB = {
    "pdf": 100, "docx": 100, "pptx": 100, "xlsx": 100, "csv": 50, "html": 10, "markdown": 10, "text": 50, "eml": 25, "mbox": 50,
    "json": 25, "jsonl": 50, "python": 2, "code": 2,
}  # fmt: skip


def sniff(path: Path, source_name: str) -> str:
    """The format's name (a key of PARSERS), or ParseError when ending, first bytes and structure do not agree."""
    ending = PurePosixPath(source_name.replace("\\", "/")).suffix.lower()
    size = path.stat().st_size
    if size == 0:
        raise ParseError("empty", "The file is empty (0 bytes). Check the original and upload it again.")
    if ending not in ENDINGS:
        raise ParseError("unsupported_format", f"{_named(ending)} {_ADVICE.get(ending, f'Upload {READABLE}.')}")
    name = ENDINGS[ending]
    limit = _LIMITS_MB[name]
    if size > limit * 1024 * 1024:
        raise ParseError("too_big", f"The file is larger than {limit} MB, the limit for {ending} files. Split it.")
    with path.open("rb") as file:
        head = file.read(4096)
    if name in _OFFICE:
        _check_office(path, name, ending, head)
    elif name == "pdf":
        _check_pdf(head, ending)
    else:
        _check_textual(head, name, ending)
    return name


def _named(ending: str) -> str:
    return f"{ending} files cannot be read." if ending else "The file's name has no ending, so its format is unknown."


def _kind(head: bytes) -> tuple[str, tuple[str, ...]] | None:
    return next(((kind, endings) for magic, kind, endings in _KINDS if head.startswith(magic)), None)


def _mislabelled(ending: str, kind: str, endings: tuple[str, ...]) -> ParseError:
    rename = f" Rename it to end in {' or '.join(endings)} and upload it again." if endings else ""
    advice = rename or " Open it in its own program, save it in a format that can be read, and upload that."
    return ParseError("mislabelled", f"The file is named {ending} but is {kind}.{advice}")


def _check_pdf(head: bytes, ending: str) -> None:
    if head.lstrip(b"\xef\xbb\xbf\0\t\n\x0c\r ").startswith(b"%PDF-"):
        return
    if found := _kind(head):
        raise _mislabelled(ending, *found)
    raise ParseError(
        "mislabelled", "The file is named .pdf but does not begin as a PDF does. Save it as PDF again and upload that."
    )


def _check_office(path: Path, name: str, ending: str, head: bytes) -> None:
    if head.startswith(b"PK\x03\x04"):
        check_office_file(path, name)
        return
    program = _OFFICE[name]
    if head.startswith(b"\xd0\xcf\x11\xe0"):
        if _contains(path, "EncryptedPackage".encode("utf-16-le")):
            raise ParseError(
                "encrypted", f"The file is protected with a password. Remove the password in {program} and upload it again."
            )
        raise ParseError(
            "old_format", f"The file is named {ending} but is in an older Office format. Save it as {ending} and upload it again."
        )
    if found := _kind(head):
        raise _mislabelled(ending, *found)
    raise ParseError(
        "damaged", f"The file is damaged or not a {program} file. Open it in {program}, save it as {ending} and upload it again."
    )


def _contains(path: Path, needle: bytes) -> bool:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
        return view.find(needle) >= 0


def _check_textual(head: bytes, name: str, ending: str) -> None:
    if found := _kind(head):
        raise _mislabelled(ending, *found)
    if name == "html" and b"<" not in head.replace(b"\0", b""):
        raise ParseError(
            "mislabelled", f"The file is named {ending} but holds no HTML. Rename it to end in .txt and upload it again."
        )
    if name == "eml" and not _begins_with_headers(decode(head).encode() if head.startswith(_WIDE_MARKS) else head):
        raise ParseError(
            "mislabelled", "The file is named .eml but does not begin as an e-mail does. Save the message as .eml again."
        )
    if name == "mbox" and not head.lstrip().startswith(b"From "):
        raise ParseError(
            "mislabelled", "The file is named .mbox but does not begin as a mailbox does, with “From ”. Export the mailbox again."
        )


def _begins_with_headers(head: bytes) -> bool:
    """An e-mail begins with "Name: value" lines; some programs put an mbox "From " line before them."""
    rows = [row for row in head.lstrip().splitlines()[:3] if not row.startswith((b"From ", b">From "))]
    name, colon, _ = rows[0].partition(b":") if rows else (b"", b"", b"")
    return bool(colon) and 0 < len(name) < 80 and all(33 <= byte < 127 for byte in name.rstrip())


def load_parser(name: str) -> Parser:
    module, _, class_name = PARSERS[name].rpartition(".")
    parser: Parser = getattr(importlib.import_module(module), class_name)()
    return parser


def read_document(path: Path, source_name: str) -> ParsedDocument:
    """Sniff and parse. Runs in the sandbox's child. Raises ParseError; anything else is a defect of a parser."""
    name = sniff(path, source_name)
    try:
        parsed = load_parser(name).parse(path)
    except RecursionError:
        raise ParseError(
            "nested_too_deeply", "The file is nested too deeply to be read. Save it again in a simpler form."
        ) from None
    if not parsed.blocks:
        raise ParseError(
            "no_text", "No text was found in the file. If it is a picture or a scan, upload a PDF with a text layer."
        )
    return replace(parsed, format=name)
