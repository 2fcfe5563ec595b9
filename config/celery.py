"""The Celery application. The broker is a doorbell: what remains to be done is always read from the database."""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("intramural")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
