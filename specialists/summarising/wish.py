"""Whether a message asks for the summary of one document, and of which: by its words alone."""

from __future__ import annotations

import re

_WISH = re.compile(
    r"^(?:please\s+|(?:can|could|would|will)\s+you\s+(?:please\s+)?|i\s+(?:need|want|would\s+like)\s+(?:you\s+to\s+)?)?"
    r"(?:summari[sz]e|sum\s+up|(?:give|write|show)\s+me\s+(?:a|the)\s+(?:short\s+|brief\s+)?summary\s+of|"
    r"(?:make\s+|write\s+)?a\s+(?:short\s+|brief\s+)?summary\s+of|summary\s+of|tl;?dr(?:\s+of)?)\s+(?:for\s+me\s+)?(?P<name>\S.*)$",
    re.IGNORECASE,
)
_BEFORE = re.compile(r"^(?:the\s+)?(?:document|file|page)\s+(?=[\"“'‘«])", re.IGNORECASE)
_AFTER = re.compile(r"(?:,?\s+(?:please|for\s+me|in\s+(?:a\s+few|\w+)\s+(?:sentences|lines|words|points)))+$", re.IGNORECASE)
_QUOTES = "\"“”„'‘’«»"


def document_named(question: str) -> str:
    """The name after “summarise”, as it was typed, without quotes; empty for every other message."""
    wish = _WISH.match(" ".join(question.split()).rstrip(" .!?"))
    if wish is None:
        return ""
    name = _AFTER.sub("", _BEFORE.sub("", wish["name"]))
    return name.strip(f" {_QUOTES}")
