"""Secrets and personal data in a row, found before anybody trains on it. A net with large meshes: what it finds is shown to
people, and what it does not find may still be there."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """`kind` is what it looks like; the words themselves are not kept. A row with a secret is not trained on."""

    kind: str
    is_secret: bool


def _luhn(number: str) -> bool:
    digits = [int(char) for char in number if char.isdigit()]
    odd, even = digits[-1::-2], digits[-2::-2]
    return len(digits) >= 13 and (sum(odd) + sum(sum(divmod(2 * digit, 10)) for digit in even)) % 10 == 0


def _iban(text: str) -> bool:
    """ISO 13616: the country and its check digits move to the end, letters count from 10, and the rest by 97 is 1."""
    bare = text.replace(" ", "")
    return int("".join(str(int(char, 36)) for char in bare[4:] + bare[:4])) % 97 == 1


def _is_random(text: str) -> bool:
    """Letters and figures mixed, with more than 3.5 bits in a character (Shannon): a word or a path has fewer."""
    value = text.rpartition("=")[2].rpartition(":")[2].strip(" \"'")
    counts = Counter(value)
    bits = -sum(count / len(value) * math.log2(count / len(value)) for count in counts.values()) if value else 0.0
    return bits > 3.5 and any(char.isdigit() for char in value) and any(char.isalpha() for char in value)


def _always(text: str) -> bool:
    return True


_PATTERNS: tuple[tuple[str, bool, str, Callable[[str], bool]], ...] = (
    ("private key", True, r"-----BEGIN [A-Z ]*PRIVATE KEY-----", _always),
    ("access key", True, r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b", _always),
    ("token", True, r"\b(?:ghp|gho|ghs|github_pat|glpat|xox[abprs]|sk|rk|pk_live)[_-][A-Za-z0-9_-]{16,}", _always),
    ("token", True, r"\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{5,}", _always),
    (
        "password", True,
        r"(?i)\b(?:password|passwd|pwd|secret|api[_ -]?key|access[_ -]?token)\b\s*(?:is|=|:)\s*[\"']?[^\s\"',;]{8,}", _is_random,
    ),
    ("address with a password", True, r"\b[a-z][a-z0-9+.-]*://[^\s/:@]+:[^\s/@]+@", _always),
    ("card number", True, r"\b(?:\d[ -]?){13,19}\b", _luhn),
    ("bank account", False, r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b", _iban),
    ("e-mail address", False, r"[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+", _always),
    ("telephone number", False, r"(?<![\w.])\+\d{1,3}[ .-]?\(?\d{1,4}\)?(?:[ .-]?\d{2,4}){2,4}(?!\w)", _always),
    ("date of birth", False, r"(?i)\b(?:born on|date of birth)\b", _always),
)  # fmt: skip
_COMPILED = tuple((kind, is_secret, re.compile(pattern), test) for kind, is_secret, pattern, test in _PATTERNS)


def find(text: str) -> list[Finding]:
    """Each kind once."""
    found: dict[Finding, None] = {}
    for kind, is_secret, pattern, test in _COMPILED:
        if any(test(match.group()) for match in pattern.finditer(text)):
            found[Finding(kind, is_secret)] = None
    return list(found)
