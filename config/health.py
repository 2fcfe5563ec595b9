"""Whether this process can work: the database answers and the models are prepared. For load balancers and `make run`."""

from __future__ import annotations

from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse


def health(request: HttpRequest) -> JsonResponse:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        database = "ok"
    except DatabaseError:
        database = "down"
    status = 200 if database == "ok" else 503
    return JsonResponse({"database": database}, status=status)
