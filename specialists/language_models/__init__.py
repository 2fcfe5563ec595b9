"""Generating models behind one seam: `get_language_model()` is the installation's, or None."""

from __future__ import annotations

from specialists.language_models.selecting import get_language_model

__all__ = ["get_language_model"]
