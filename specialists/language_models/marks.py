"""The marks with which chat templates say whose words come next. In a document's words they are broken."""

from __future__ import annotations

import re

BREAK = "\u200b"  # a space without width
# ChatML's, Llama's and DeepSeek's; Mistral's, ordinary words to some tokenizers; Llama 2's, Gemma's and the ends of texts.
_MARK = re.compile(
    r"<(?=[|\uff5c][^<>\n]{1,60}[|\uff5c]>)"
    r"|\[(?=/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT)\])"
    r"|<(?=</?SYS>>|(?:start|end)_of_turn>|/?(?:s|bos|eos|pad|unk|think|tool_call|tool_response)>)"
)


def without_marks(text: str) -> str:
    """Nobody sees the break, and no tokenizer takes the words for a mark of its own."""
    return _MARK.sub(lambda found: found.group() + BREAK, text)
