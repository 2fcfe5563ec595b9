from __future__ import annotations

from typing import Any

import pytest

from tests.people import People, make_people


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where several processes take file after file, those with slow tests come first, so that no long one is left for the end."""
    if hasattr(config, "workerinput"):
        slow = {item.path for item in items if item.get_closest_marker("slow")}
        items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(autouse=True)
def _plain_static_files(settings: Any) -> None:
    """Tests that render pages in this process need no collected files."""
    settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}


@pytest.fixture(autouse=True)
def _quick_passwords(settings: Any) -> None:
    """A real password hash takes half a second, which is its purpose; the tests make thousands."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def _own_stores(settings: Any, tmp_path: Any) -> None:
    """Each test has its own uploads and indexes."""
    settings.UPLOADS_DIR = tmp_path / "uploads"
    settings.INDEXES_DIR = tmp_path / "indexes"
    settings.UPLOADS_DIR.mkdir()
    settings.INDEXES_DIR.mkdir()


@pytest.fixture
def people(db: None) -> People:
    return make_people()
