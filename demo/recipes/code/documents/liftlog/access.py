"""Keys with which buildings read their own lifts."""

from __future__ import annotations

import hashlib
import secrets


def create_key() -> str:
    """Create a key of 32 random letters and figures for a building."""
    return secrets.token_hex(16)


def store_key(keys: dict[str, str], building: str, key: str) -> None:
    """Store the hash of a building's key; the key itself is shown once and kept nowhere."""
    keys[building] = hashlib.sha256(key.encode()).hexdigest()


def verify_key(keys: dict[str, str], building: str, key: str) -> bool:
    """Verify a key against the stored hash in constant time."""
    return secrets.compare_digest(keys.get(building, ""), hashlib.sha256(key.encode()).hexdigest())


def revoke_key(keys: dict[str, str], building: str) -> None:
    """Revoke the key of a building at once; its next request is refused."""
    keys.pop(building, None)


def rename_building(keys: dict[str, str], old: str, new: str) -> None:
    """Rename a building without changing its key."""
    keys[new] = keys.pop(old)
