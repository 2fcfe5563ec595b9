"""The routes. Each is declared in config/access.py, or the server does not start."""

from __future__ import annotations

from django.contrib.auth import views as auth_views
from django.urls import include, path

from assistant.api.urls import api
from config.health import health

urlpatterns = [
    path("health/", health, name="health"),
    path("sign-in/", auth_views.LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("sign-out/", auth_views.LogoutView.as_view(), name="logout"),
    path("password/", auth_views.PasswordChangeView.as_view(), name="password_change"),
    path("password/changed/", auth_views.PasswordChangeDoneView.as_view(), name="password_change_done"),
    path("", include("ingestion.urls")),
    path("", include("assistant.urls")),
    path("", api.urls),
]

handler404 = "assistant.views.errors.not_found"
handler500 = "assistant.views.errors.server_error"
