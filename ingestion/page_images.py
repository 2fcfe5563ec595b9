"""Pictures of a PDF's pages, kept on disk under the hash of the file they show. Whoever calls has passed the gate."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from django.conf import settings

from ingestion.models import Document
from ingestion.parsers.base import ParseError
from ingestion.services import original_path

WIDTH = 1100
MAX_KEPT = 2000  # pictures; the oldest quarter goes when there are more


def has_page_images(document: Document) -> bool:
    return document.format == "pdf"


def page_png(document: Document, page: int) -> bytes:
    """The picture of one page (1-based). Raises ParseError when there is none."""
    from ingestion.rendering import render_page

    kept = _folder() / f"{document.sha256}-{page}-{WIDTH}.png"
    try:
        return kept.read_bytes()
    except FileNotFoundError:
        pass
    path = original_path(document)
    if not path.exists():
        raise ParseError("file_missing", "The stored file is gone. Ask the owner to upload it again.")
    png = render_page(path, page, width=WIDTH)
    _keep(kept, png)
    return png


def forget_page_images(sha256: str) -> None:
    """Delete the pictures of a file that is deleted."""
    for path in _folder().glob(f"{sha256}-*.png"):
        path.unlink(missing_ok=True)


def _folder() -> Path:
    folder = Path(settings.DATA_DIR) / "pages"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _keep(path: Path, png: bytes) -> None:
    """Write beside and rename, so that a reader never finds half a picture."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
    with os.fdopen(handle, "wb") as file:
        file.write(png)
    os.replace(temporary, path)
    _prune(path.parent)


def _prune(folder: Path) -> None:
    kept = list(folder.glob("*.png"))
    if len(kept) <= MAX_KEPT:
        return
    by_age = sorted((path.stat().st_mtime, path) for path in kept if path.exists())
    for _, path in by_age[: MAX_KEPT // 4]:
        path.unlink(missing_ok=True)
