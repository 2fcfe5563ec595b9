"""Typed reading of the environment: every value has a default that runs, and an odd value is refused with its name."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

_BOOLEANS = {"1": True, "0": False}


def env_str(name: str, default: str = "") -> str:
    return os.environ.get(name, default)


def env_bool(name: str, *, default: bool) -> bool:
    value = os.environ.get(name)
    if value is None or value == "":
        return default
    if value not in _BOOLEANS:
        raise ImproperlyConfigured(f"{name} must be 1 or 0, not {value!r}.")
    return _BOOLEANS[value]


def env_int(name: str, default: int, *, minimum: int = 0) -> int:
    value = os.environ.get(name)
    if value is None or value == "":
        return default
    try:
        number = int(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a whole number, not {value!r}.") from None
    if number < minimum:
        raise ImproperlyConfigured(f"{name} must be at least {minimum}, not {number}.")
    return number


def env_list(name: str, default: list[str]) -> list[str]:
    value = os.environ.get(name)
    if value is None:
        return default
    return [item.strip() for item in value.split(",") if item.strip()]


def env_origins(name: str) -> list[str]:
    """Origins of pages, as browsers name them. A wildcard or a path is refused: it would admit more, or nothing."""
    origins = env_list(name, [])
    for origin in origins:
        if not _is_origin(origin):
            raise ImproperlyConfigured(f"{name} must name origins such as https://intranet.example.org, not {origin!r}.")
    return origins


def _is_origin(text: str) -> bool:
    try:
        parts = urlsplit(text)
        is_named = bool(parts.hostname) and re.fullmatch(r"[a-z0-9.\-\[\]:]+", parts.netloc) is not None
        return is_named and parts.port != 0 and text in (f"http://{parts.netloc}", f"https://{parts.netloc}")
    except ValueError:
        return False


def env_json(name: str, default: dict[str, Any]) -> dict[str, Any]:
    value = os.environ.get(name)
    if value is None or value == "":
        return default
    try:
        read = json.loads(value)
    except ValueError:
        read = None
    if not isinstance(read, dict):
        raise ImproperlyConfigured(f"{name} must be a JSON object, not {value!r}.")
    return read


def env_secret(name: str) -> str:
    """The value of NAME, or the content of the file that NAME_FILE names (the way container secrets arrive)."""
    path = os.environ.get(f"{name}_FILE")
    if path:
        return Path(path).read_text(encoding="utf-8").strip()
    return os.environ.get(name, "")
