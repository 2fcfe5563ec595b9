"""Parsers: one per format, behind the seam in base.py, run in the child process of sandbox.py."""

from ingestion.parsers.base import Block, ParsedDocument, ParseError, Parser

__all__ = ["Block", "ParseError", "ParsedDocument", "Parser"]
