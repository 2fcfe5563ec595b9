"""Files that are there wholly or not at all, and the lock that keeps two writers apart."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from retrieval.errors import RetrievalError

POLL_S = 0.02
PROBE_BYTES = 2**20
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def remembered_sha256_of(path: Path) -> str:
    """The same, read once in this process while size, time and inode stay as they are: for pages that only show it. What is to
    be loaded is read anew."""
    found = path.stat()
    return _sha256_of_seen(path, found.st_size, found.st_mtime_ns, found.st_ino)


@lru_cache(maxsize=64)
def _sha256_of_seen(path: Path, size: int, mtime_ns: int, inode: int) -> str:
    return sha256_of(path)


def text_lines(path: Path) -> list[str]:
    """A UTF-8 file's lines. Only line feeds end one: str.splitlines() would cut a JSON line at a separator within its text."""
    content = path.read_text(encoding="utf-8").removesuffix("\n")
    return content.split("\n") if content else []


def fsync_path(path: Path) -> None:
    """Make a file's bytes, or a folder's list of names, outlive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_atomically(path: Path, content: bytes) -> None:
    """Readers see the old content or the new, never a part; the caller holds the lock, so one temporary name is enough."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_bytes(content)
    fsync_path(temporary)
    temporary.replace(path)
    fsync_path(path.parent)


@contextmanager
def disk_errors() -> Iterator[None]:
    """Tell a disk that takes no more from everything else: RetrievalError `disk_full`, which may pass."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise disk_full() from error


def is_disk_full(error: Exception) -> bool:
    """Whether an error of a native library, which knows the system's error only as text, is that of a disk that takes no more."""
    return any(int(number) in FULL for number in re.findall(r"(?:os error |code: )(\d+)", str(error)))


def takes_no_more(folder: Path) -> bool:
    """Whether a file of PROBE_BYTES cannot be written there: asked where a library's thread has died and does not say of what."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(PROBE_BYTES))
            file.flush()
    except OSError as error:
        return error.errno in FULL
    return False


def disk_full() -> RetrievalError:
    message = "The disk is full, so the search index was not changed. An administrator must make room; it is then tried again."
    return RetrievalError("disk_full", message)


@contextmanager
def locked(path: Path, *, wait_s: float, busy: RetrievalError, is_shared: bool = False) -> Iterator[None]:
    """Hold a flock on `path`, alone or with others that share it, or raise `busy` after `wait_s` seconds. The kernel frees it
    when a holder dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + wait_s
    with path.open("ab") as file:
        while True:
            try:
                fcntl.flock(file, (fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= end:
                    raise busy from None
                time.sleep(POLL_S)
        yield
