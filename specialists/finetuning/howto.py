"""Code: what a docstring or comment says is done is asked for, and a test that calls a function shows how it is called."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence, Set

from specialists.finetuning.pairs import MOST_ANSWER, Pair, Section
from specialists.finetuning.quoting import section_at
from specialists.finetuning.records import Field, Record
from specialists.finetuning.verbs import how_do_i
from specialists.grounding.words import sentences

MOST_SIGNATURE = 200  # characters
LEAST_SAID = 15
_IS_TEST = re.compile(r"(?:^|[/._-])tests?(?:[/._-]|$)|(?:Test|Spec|_spec)\.\w+$|\.(?:test|spec)\.\w+$")
_CALL = re.compile(r"\b([A-Za-z_$][\w$]*)\s*\(")
_BESIDES = re.compile(r"[;:]|, (?:and|which|so|as|in|counted|rounded)\b| and (?=\w+s\b (?!of\b))")  # what a question leaves out
_KEYWORDS = re.compile(
    r"^(?:(?:export|default|public|private|protected|static|final|async|pub|def|function|func|fn|fun|const|class)\s+)+"
)


def is_test(source_name: str) -> bool:
    return bool(_IS_TEST.search(source_name))


def callable_name(record: Record) -> str:
    """By which others call it; empty for what is private or made for Python itself."""
    name = record.path[-1].rpartition(".")[2] if record.kind == "code" else ""
    return "" if name.startswith("_") else name


def code_pairs(record: Record, sections: Sequence[Section]) -> Iterator[Pair]:
    """How to do what the function says that it does; of others what they are for."""
    name, says, signature = callable_name(record), record.of("says"), record.of("signature")
    if not name or says is None or signature is None:
        return
    said = next(iter(sentences(" ".join(says.text.split()))), "")
    section = section_at(sections, says.start)
    if section is None or not LEAST_SAID <= len(said) <= MOST_ANSWER or said not in " ".join(section.text.split()):
        return
    asked = how_do_i(_BESIDES.split(said)[0], is_sentence=True) or f"What is {record.path[-1]} for?"
    yield Pair(asked, f"{_bare(signature)}: {said}", section, "howto")


def usage_pairs(record: Record, sections: Sequence[Section], known: Set[str]) -> Iterator[Pair]:
    """Of a test, the first line that calls each of the `known` functions."""
    body = record.of("body")
    if record.kind != "code" or body is None:
        return
    at = body.start
    seen: set[str] = set()
    for line in body.text.split("\n"):
        words = line.strip()
        for called in _CALL.findall(words):
            section = section_at(sections, at)
            if called in known - seen and section and words in section.text and len(words) <= MOST_SIGNATURE:
                seen.add(called)
                yield Pair(f"How do I call {called}? Show an example.", words, section, "usage")
        at += len(line) + 1


def _bare(signature: Field) -> str:
    """The declaration in one line, without decorators and brackets of the body."""
    lines = [line.strip() for line in signature.text.split("\n") if not line.strip().startswith(("@", "#["))]
    joined = re.sub(r"\(\s+", "(", re.sub(r",?\s+\)", ")", " ".join(lines)))
    return _KEYWORDS.sub("", joined.rstrip(" :{=>"))[:MOST_SIGNATURE].strip()
