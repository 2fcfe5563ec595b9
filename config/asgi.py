"""The server's entry point. ASGI, because an answer is a stream and a waiting stream must not hold a thread."""

from __future__ import annotations

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from django.core.asgi import get_asgi_application

application = get_asgi_application()
