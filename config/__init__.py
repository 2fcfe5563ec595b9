"""Settings, urls, the Celery application and the server's entry point. It imports the apps; no app imports it."""

from config.celery import app as celery_app

__all__ = ["celery_app"]
