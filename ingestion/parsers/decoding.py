"""Bytes to text: byte order mark, UTF-8, then a guess from the bytes themselves. Binary data is refused."""

from __future__ import annotations

import codecs

from ingestion.parsers.base import ParseError

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SAMPLE = 64 * 1024
_FEW = 8  # bytes outside ASCII, in which the detector sees too little
# Encodings that offices really use. The detector knows a hundred, and with a short text it picks a strange one.
_CANDIDATES = [
    "cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "iso8859_2", "koi8_r",
    "cp932", "euc_jp", "gb18030", "big5", "euc_kr", "mac_roman",
]  # fmt: skip


def decode(data: bytes, *, declared: str = "") -> str:
    """The text of the bytes. `declared` is what the file says of itself (an HTML meta tag, a mail header)."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data.decode(encoding, errors="replace")
    if b"\0" in data[:_SAMPLE]:
        return _decode_wide(data)
    escaped = "iso2022_jp" if b"\x1b$" in data[:_SAMPLE] else ""  # seven-bit Japanese would pass as UTF-8
    for encoding in (escaped, "utf-8", declared):
        if not encoding:
            continue
        try:
            return data.decode(encoding)
        except (LookupError, ValueError):
            continue
    return _guess(data)


def _decode_wide(data: bytes) -> str:
    """UTF-16 without its mark: in Latin text every other byte is zero. Anything else with zeros is not text."""
    sample = data[: _SAMPLE & ~1]
    for offset, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        if sample[offset::2].count(0) > len(sample) * 0.2 and sample[1 - offset :: 2].count(0) <= len(sample) * 0.01:
            return data.decode(encoding, errors="replace")
    raise ParseError("not_text", "The file holds binary data, not text. Upload it in its own format, with its own file ending.")


def _guess(data: bytes) -> str:
    from charset_normalizer import from_bytes

    sample = data[:_SAMPLE]
    if not sample:
        return ""
    matches = from_bytes(sample, cp_isolation=_CANDIDATES, enable_fallback=False)
    best = matches.best()
    # A few accents are as likely in cp1250 as in cp1252, and the detector then takes either; the West is the likelier.
    western = next((match for match in matches if match.encoding == "cp1252"), None)
    if best and western and best.encoding == "cp1250" and sum(byte > 127 for byte in sample) < _FEW:
        best = western
    return data.decode(best.encoding if best else "cp1252", errors="replace")
