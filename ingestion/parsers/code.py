"""Source code: each function and class under its name, its signature, what its docstring or comment says, then its lines."""

from __future__ import annotations

import ast
import re
import warnings
from pathlib import Path

from ingestion.parsers.base import ParsedDocument
from ingestion.parsers.builder import DocumentBuilder
from ingestion.parsers.cleaning import clean
from ingestion.parsers.decoding import decode
from ingestion.parsers.text import add_text

LONGEST_LINE = 2_000  # characters; what is longer was written by a program and declares nothing
_WORDS = (
    "export|default|declare|public|private|protected|internal|static|final|abstract|async|override|virtual|inline|pub|unsafe|"
    "extern|open|suspend|data|sealed|partial|local"
)
_NAMING = "function|func|fn|fun|def|class|interface|struct|enum|trait|module|record|object|sub"
_DECLARES = re.compile(
    rf"\s*(?:(?:{_WORDS})(?:\([^)]*\))?\s+)*(?:(?:{_NAMING})\*?\s+(?:\([^)]*\)\s*)?|const\s+(?=[\w$]+\s*=\s*(?:async\s*)?\())"
    r"(?P<name>[A-Za-z_$][\w$]*)"
    r"|\s*create\s+(?:or\s+replace\s+)?(?:function|procedure|view|table)\s+(?:if\s+not\s+exists\s+)?(?P<sql>[A-Za-z_][\w.]*)"
    r"|(?P<shell>[A-Za-z_][\w-]*)\s*\(\)\s*\{",
    re.IGNORECASE,
)
_CALLED = re.compile(r"(?P<name>[A-Za-z_$][\w$]*)\s*\(")
_COMMENT = re.compile(r"\s*(?:///?!?|/\*\*?|\*/|\*(?![^\s/])|#(?=\s|$)|--)\s?(?P<words>.*)")
_MARKED = re.compile(r"\s*(?:@\w|#\[)")  # annotations between the comment and what it is about


class PythonParser:
    """By Python's own grammar; what it does not take (an older Python, say) is read as any code."""

    formats = frozenset({"python"})

    def parse(self, path: Path) -> ParsedDocument:
        text = clean(decode(path.read_bytes()))
        builder = DocumentBuilder()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            _add_code(builder, text.split("\n"))
        else:
            _Python(builder, text.split("\n")).add(tree)
        return builder.build()


class CodeParser:
    """Other languages, by their lines."""

    formats = frozenset({"code"})

    def parse(self, path: Path) -> ParsedDocument:
        builder = DocumentBuilder()
        _add_code(builder, clean(decode(path.read_bytes())).split("\n"))
        return builder.build()


_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


class _Python:
    def __init__(self, builder: DocumentBuilder, lines: list[str]) -> None:
        self.builder = builder
        self.lines = lines

    def add(self, module: ast.Module) -> None:
        at = self._add_docstring(module, 1)
        self._add_statements(module.body, at, len(self.lines), "")

    def _add_statements(self, body: list[ast.stmt], at: int, end: int, owner: str) -> None:
        """Lines from `at` to `end`, 1-based; the definitions among them under their names."""
        for node in (item for item in body if isinstance(item, _Definition)):
            first = min([node.lineno, *(mark.lineno for mark in node.decorator_list)])
            self._add_lines(at, first - 1)
            self._add_definition(node, first, owner)
            at = (node.end_lineno or node.lineno) + 1
        self._add_lines(at, end)

    def _add_definition(self, node: _Definition, first: int, owner: str) -> None:
        name = f"{owner}.{node.name}" if owner else node.name
        level = 2 if owner else 1
        self.builder.leave_headings(level)
        self.builder.heading(name, level)
        last = node.end_lineno or node.lineno
        if node.body[0].lineno == node.lineno:  # all in one line
            self._add_lines(first, last)
            return
        head = max(node.lineno, min([node.body[0].lineno, *_decorated(node.body[0])]) - 1)
        self._add_lines(first, head)
        at = max(self._add_docstring(node, head + 1), head + 1)
        if isinstance(node, ast.ClassDef) and not owner:
            self._add_statements(node.body, at, last, name)
        else:
            self._add_lines(at, last)
        self.builder.leave_headings(level)

    def _add_docstring(self, node: _Definition | ast.Module, at: int) -> int:
        """The line after it, or `at` where there is none."""
        words = ast.get_docstring(node)
        if words is None:
            return at
        add_text(self.builder, words, has_headings=False)
        return (node.body[0].end_lineno or 0) + 1

    def _add_lines(self, start: int, end: int) -> None:
        self.builder.code("\n".join(self.lines[start - 1 : end]))


def _decorated(node: ast.stmt) -> list[int]:
    return [mark.lineno for mark in node.decorator_list] if isinstance(node, _Definition) else []


def _add_code(builder: DocumentBuilder, lines: list[str]) -> None:
    """From each declaration to the next is one part. A comment directly above a declaration says what it is for."""
    begins = [place for place in range(len(lines)) if name_declared(lines, place)]
    starts = [_start_of_comment(lines, place) for place in begins]
    builder.code("\n".join(lines[: starts[0] if starts else len(lines)]))
    ends = [*starts, len(lines)][1:]
    for place, start, end in zip(begins, starts, ends, strict=True):
        builder.leave_headings()
        builder.heading(name_declared(lines, place), 1)
        builder.code(lines[place])
        matches = [_COMMENT.match(line) for line in lines[start:place] if not _MARKED.match(line)]
        words = [match["words"].rstrip().removesuffix("*/").rstrip() for match in matches if match]
        add_text(builder, "\n".join(words), has_headings=False)
        builder.code("\n".join(lines[place + 1 : end]))


def name_declared(lines: list[str], place: int) -> str:
    """What the line declares: by its words, or by the comment that ends above it. Empty where it declares nothing."""
    line = lines[place]
    if not line.strip() or len(line) > LONGEST_LINE or _is_comment(line) or _MARKED.match(line):
        return ""
    if match := _DECLARES.match(line):
        return match["name"] or match["sql"] or match["shell"]
    above = next((item for item in reversed(lines[max(0, place - 4) : place]) if not _MARKED.match(item)), "")
    is_about = above.rstrip().endswith("*/") or above.lstrip().startswith("///")
    called = _CALLED.search(line) if is_about else None
    return called["name"] if called else ""


def _is_comment(line: str) -> bool:
    return len(line) <= LONGEST_LINE and bool(_COMMENT.match(line))


def _start_of_comment(lines: list[str], place: int) -> int:
    start = place
    while start and (_is_comment(lines[start - 1]) or _MARKED.match(lines[start - 1])):
        start -= 1
    return start
