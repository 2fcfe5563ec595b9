"""Characters that no document should bring into a prompt or a page, taken out; odd whitespace made plain."""

from __future__ import annotations

import re

_LIGATURES = {0xFB00: "ff", 0xFB01: "fi", 0xFB02: "fl", 0xFB03: "ffi", 0xFB04: "ffl", 0xFB05: "st", 0xFB06: "st"}
_SPACES = [0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000]
_LINE_BREAKS = [0x0B, 0x0C, 0x85, 0x2028, 0x2029]
_DROPPED = [
    *(code for code in range(0x20) if code not in (0x09, 0x0A, *_LINE_BREAKS)),
    *range(0x7F, 0x85), *range(0x86, 0xA0),  # controls
    0xAD, 0x180E, 0x200B, 0x2060, 0xFEFF,  # soft hyphen and zero widths
    0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2061, 0x2070),  # bidirectional and invisible controls
    *range(0xD800, 0xE000),  # half characters, which no database takes
    *range(0xFFF0, 0xFFFD), 0xFFFE, 0xFFFF, *range(0xE0000, 0xE0080),  # tags
]  # fmt: skip
_TABLE: dict[int, str | None] = {
    **_LIGATURES,
    **dict.fromkeys(_SPACES, " "),
    **dict.fromkeys(_LINE_BREAKS, "\n"),
    **dict.fromkeys(_DROPPED, None),
}
# Every character that the table maps, and the two joiners: most texts have none and skip the slow way.
_ODD = re.compile("[" + "".join(re.escape(chr(code)) for code in (*_TABLE, 0x200C, 0x200D)) + "]")
# A joiner means something only inside the scripts that join (Arabic, the Indic scripts, Burmese).
_STRAY_JOINER = re.compile("(?<![\u0600-\u109f])[\u200c\u200d]|[\u200c\u200d](?![\u0600-\u109f])")
_TRAILING_SPACE = re.compile(r"(?<![ \t])[ \t]++(?=\n)")  # each run is tried once, however long
_ANY_SPACE = re.compile(r"\s+")
_JUNK_TITLE = re.compile(
    r"(?:untitled|\(?anonymous\)?$|\(?unspecified\)?$|document\d*|microsoft word|powerpoint|presentation\d*|word document|\W*$)",
    re.I,
)


def clean(text: str) -> str:
    """The text as it reads: no control, zero-width, tag or bidi-control characters, plain spaces, `\\n` line ends."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if _ODD.search(text):
        text = _STRAY_JOINER.sub("", text).translate(_TABLE)
    return text


def one_line(text: str) -> str:
    return _ANY_SPACE.sub(" ", clean(text)).strip()


def lines(text: str) -> str:
    """Cleaned, with its line breaks, without spaces at the ends of lines and without blank lines around."""
    return _TRAILING_SPACE.sub("", clean(text)).strip("\n").rstrip()


def plain_title(value: object) -> str:
    """A document property's title, unless a program made it up."""
    title = str(value or "").strip()
    return "" if _JUNK_TITLE.match(title) else title
