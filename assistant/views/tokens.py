"""The page of a person's tokens: what programs may do in their name. Administrators see and end everybody's."""

from __future__ import annotations

from dataclasses import dataclass

from django import forms
from django.conf import settings
from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone

from assistant.api.models import ApiToken
from assistant.api.tokens import SCOPES, TokenError, create_token, revoke_token, tokens_of, valid_tokens
from assistant.views.requests import PersonRequest
from ingestion.permissions import can_manage_something, is_administrator

DAYS = (7, 30, 90, 365)
ENDED_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Row:
    token: ApiToken
    may: str
    state: str  # "", or why it opens nothing any more

    @classmethod
    def of(cls, token: ApiToken) -> Row:
        ended = "Revoked" if token.revoked_at else "Expired" if token.expires_at <= timezone.now() else ""
        inactive = "" if token.user.is_active else "Person is inactive"
        return cls(token, ", ".join(token.scopes), ended or inactive)


class TokenForm(forms.Form):
    name = forms.CharField(max_length=80, label="Name")
    scopes = forms.MultipleChoiceField(widget=forms.CheckboxSelectMultiple, label="It may", required=False)
    days = forms.TypedChoiceField(coerce=int, label="It lasts")

    def __init__(self, *args: object, may_manage: bool, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        offered = [(scope, words) for scope, words in SCOPES.items() if may_manage or scope != "manage"]
        self.fields["scopes"].choices = offered  # type: ignore[attr-defined]
        lasting = [(days, f"{days} days") for days in DAYS if days <= settings.API_TOKEN_DAYS]
        self.fields["days"].choices = lasting or [(settings.API_TOKEN_DAYS,) * 2]  # type: ignore[attr-defined]


def tokens(request: PersonRequest) -> HttpResponse:
    """The list; a POST makes a token and shows its secret, this once."""
    initial = {"scopes": ["ask", "search", "read"], "days": 90}
    form = TokenForm(request.POST or None, initial=initial, may_manage=can_manage_something(request.user))
    secret = ""
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            _, secret = create_token(user=request.user, name=data["name"], scopes=data["scopes"], days=data["days"])
        except TokenError as error:
            form.add_error(None, error.public_message)
        else:
            form = TokenForm(initial=initial, may_manage=can_manage_something(request.user))
    own = _rows(tokens_of(request.user))
    others = _rows(ApiToken.objects.exclude(user=request.user)) if is_administrator(request.user) else []
    context = {"form": form, "secret": secret, "own": own, "others": others, "address": request.build_absolute_uri("/v1")}
    return render(request, "assistant/tokens.html", context, status=422 if form.errors else 200)


def revoke(request: PersonRequest, token_id: int) -> HttpResponse:
    """One's own; an administrator ends anybody's."""
    seen = ApiToken.objects.all() if is_administrator(request.user) else tokens_of(request.user)
    token = seen.filter(pk=token_id).first()
    if token is None:
        raise Http404
    revoke_token(token=token)
    messages.success(request, f"“{token.name}” opens nothing any more.")
    return redirect("assistant:tokens")


def _rows(listed: QuerySet[ApiToken]) -> list[Row]:
    """All that still open something, then the newest of those that do not any more."""
    rows = listed.select_related("user")
    live = rows.filter(pk__in=valid_tokens().values("pk"))
    return [Row.of(token) for token in (*live, *rows.exclude(pk__in=live.values("pk"))[:ENDED_SHOWN])]
