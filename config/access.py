"""The access table: who may use each route, and with which verbs. The middleware enforces it; a check refuses a start
with an undeclared route. It is the first gate only: what an object's page shows is decided by the object's own gate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.core.checks import Error, register
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.urls import URLPattern, URLResolver, get_resolver


class Access(Enum):
    PUBLIC = "anyone"
    SIGNED_IN = "anyone who is signed in"
    MANAGER = "owners of a corpus, and administrators"
    ADMINISTRATOR = "administrators"
    PROGRAM = "programs with a token"
    WIDGET = "anyone who is signed in, or a page's token for them, where the widget is on"


@dataclass(frozen=True, slots=True)
class Rule:
    """`scopes`: what a program's token must be good for, by method."""

    access: Access
    methods: frozenset[str]
    scopes: Mapping[str, str] = field(default_factory=dict)


def _rule(access: Access, *methods: str) -> Rule:
    names = set(methods)
    return Rule(access, frozenset(names | {"HEAD"} if "GET" in names else names))


def _program(**scopes: str) -> Rule:
    return Rule(Access.PROGRAM, frozenset(scopes), scopes)


_PUBLIC_PAGE = _rule(Access.PUBLIC, "GET")
_PAGE = _rule(Access.SIGNED_IN, "GET")
_ACT = _rule(Access.SIGNED_IN, "POST")
_FORM = _rule(Access.SIGNED_IN, "GET", "POST")
_MANAGER_PAGE = _rule(Access.MANAGER, "GET")
_MANAGER_ACT = _rule(Access.MANAGER, "POST")
_MANAGER_FORM = _rule(Access.MANAGER, "GET", "POST")
_WIDGET_PART = _rule(Access.WIDGET, "GET")
_WIDGET_ACT = _rule(Access.WIDGET, "POST")
_ADMINISTRATOR_PAGE = _rule(Access.ADMINISTRATOR, "GET")

ROUTES: dict[str, Rule] = {
    "health": _PUBLIC_PAGE,
    "login": _rule(Access.PUBLIC, "GET", "POST"),
    "logout": _ACT,
    "password_change": _FORM,
    "password_change_done": _PAGE,
    "assistant:home": _PAGE,
    "assistant:ask": _ACT,
    "assistant:summarise": _ACT,
    "assistant:conversation": _PAGE,
    "assistant:rename_conversation": _ACT,
    "assistant:delete_conversation": _ACT,
    "assistant:share_conversation": _ACT,
    "assistant:export_conversation": _PAGE,
    "assistant:search_conversations": _PAGE,
    "assistant:shared_conversation": _PAGE,
    "assistant:answer": _PAGE,
    "assistant:stream": _PAGE,
    "assistant:stop": _ACT,
    "assistant:retry": _ACT,
    "assistant:feedback": _ACT,
    "assistant:citation": _PAGE,
    "assistant:ask_person": _FORM,
    "assistant:escalation": _PAGE,
    "assistant:take_stand": _ACT,
    "assistant:extractions": _FORM,
    "assistant:extraction": _PAGE,
    "assistant:download_extraction": _PAGE,
    "assistant:stop_extraction": _ACT,
    "assistant:delete_extraction": _ACT,
    "assistant:replies": _PAGE,
    "assistant:tokens": _FORM,
    "assistant:revoke_token": _ACT,
    "assistant:inbox": _MANAGER_PAGE,
    "assistant:inbox_item": _FORM,
    "assistant:draft_reply": _MANAGER_FORM,
    "assistant:use_draft": _MANAGER_ACT,
    "assistant:suggest_class": _MANAGER_ACT,
    "assistant:pass_on": _MANAGER_ACT,
    "assistant:keep_document": _MANAGER_ACT,
    "assistant:keep_example": _MANAGER_ACT,
    "assistant:examples": _MANAGER_PAGE,
    "assistant:export_examples": _MANAGER_PAGE,
    "assistant:example": _MANAGER_FORM,
    "assistant:remove_example": _MANAGER_ACT,
    "assistant:use_feedback": _MANAGER_ACT,
    "assistant:golden": _MANAGER_PAGE,
    "assistant:new_golden": _MANAGER_FORM,
    "assistant:change_golden": _MANAGER_FORM,
    "assistant:delete_golden": _MANAGER_ACT,
    "assistant:import_golden": _MANAGER_FORM,
    "assistant:export_golden": _MANAGER_PAGE,
    "assistant:run_golden": _MANAGER_ACT,
    "assistant:golden_run": _MANAGER_PAGE,
    "assistant:stop_golden": _MANAGER_ACT,
    "assistant:compare_golden": _MANAGER_PAGE,
    "assistant:golden_from_answer": _MANAGER_FORM,
    "assistant:calibration": _MANAGER_PAGE,
    "assistant:change_calibration": _MANAGER_ACT,
    "assistant:models": _MANAGER_PAGE,
    "assistant:reranking": _MANAGER_FORM,
    "assistant:specialists": _MANAGER_FORM,
    "assistant:specialist": _MANAGER_PAGE,
    "assistant:make_data_set": _MANAGER_ACT,
    "assistant:data_set": _MANAGER_PAGE,
    "assistant:stop_data_set": _MANAGER_ACT,
    "assistant:drop_found": _MANAGER_ACT,
    "assistant:drop_row": _MANAGER_ACT,
    "assistant:new_version": _MANAGER_FORM,
    "assistant:version": _MANAGER_PAGE,
    "assistant:judged_answers": _MANAGER_PAGE,
    "assistant:stop_version": _MANAGER_ACT,
    "assistant:retry_version": _MANAGER_ACT,
    "assistant:promote_version": _MANAGER_ACT,
    "assistant:roll_back_version": _MANAGER_ACT,
    "assistant:start_trial": _MANAGER_ACT,
    "assistant:stop_trial": _MANAGER_ACT,
    "assistant:limits": _rule(Access.ADMINISTRATOR, "GET", "POST"),
    "assistant:remove_limit": _rule(Access.ADMINISTRATOR, "POST"),
    "assistant:slack": _rule(Access.ADMINISTRATOR, "GET", "POST"),
    "assistant:slack_channel": _rule(Access.ADMINISTRATOR, "POST"),
    "assistant:slack_channel_off": _rule(Access.ADMINISTRATOR, "POST"),
    "assistant:slack_disconnect": _rule(Access.ADMINISTRATOR, "POST"),
    "assistant:slack_source_new": _rule(Access.ADMINISTRATOR, "GET", "POST"),
    "assistant:slack_source_compare": _rule(Access.ADMINISTRATOR, "POST"),
    "assistant:slack_source_stop": _rule(Access.ADMINISTRATOR, "POST"),
    "assistant:slack_source_resume": _rule(Access.ADMINISTRATOR, "POST"),
    "assistant:slack_events": _rule(Access.PUBLIC, "POST"),  # these three believe Slack's signature and nothing else
    "assistant:slack_interactions": _rule(Access.PUBLIC, "POST"),
    "assistant:slack_commands": _rule(Access.PUBLIC, "POST"),
    "assistant:widget_script": _PUBLIC_PAGE,  # neither of these two knows anybody; both are off by default
    "assistant:widget": _PUBLIC_PAGE,
    "assistant:widget_chat": _WIDGET_PART,
    "assistant:widget_ask": _WIDGET_ACT,
    "assistant:widget_answer": _WIDGET_PART,
    "assistant:widget_stream": _WIDGET_PART,
    "assistant:widget_stop": _WIDGET_ACT,
    "assistant:widget_feedback": _WIDGET_ACT,
    "assistant:quality": _ADMINISTRATOR_PAGE,
    "assistant:routes": _ADMINISTRATOR_PAGE,
    "assistant:routing": _rule(Access.ADMINISTRATOR, "GET", "POST"),
    "assistant:change_routing_rule": _rule(Access.ADMINISTRATOR, "POST"),
    "assistant:teach_routing": _rule(Access.ADMINISTRATOR, "POST"),
    "ingestion:document": _PAGE,
    "ingestion:page_image": _PAGE,
    "ingestion:download": _PAGE,
    "ingestion:corpora": _MANAGER_PAGE,
    "ingestion:new_corpus": _MANAGER_FORM,
    "ingestion:corpus": _MANAGER_PAGE,
    "ingestion:corpus_rows": _MANAGER_PAGE,
    "ingestion:corpus_settings": _MANAGER_FORM,
    "ingestion:upload": _MANAGER_ACT,
    "ingestion:retry_failed": _MANAGER_ACT,
    "ingestion:delete_corpus": _FORM,  # its own gate is the manager's; whose last corpus it was may send the form twice
    "ingestion:retry_document": _MANAGER_ACT,
    "ingestion:delete_document": _MANAGER_FORM,
    "ingestion:document_tags": _MANAGER_FORM,
    "ingestion:document_audience": _MANAGER_FORM,
    "assistant:search_test": _MANAGER_PAGE,
    "assistant:mcp": _program(POST=""),  # each tool asks for its own scope
    "api:openapi-json": _PAGE,
    "api:openapi-view": _PAGE,
    "api:api-root": _PAGE,
    "api:chat_completions": _program(POST="ask"),
    "api:responses": _program(POST="ask"),
    "api:models": _program(GET=""),
    "api:model": _program(GET=""),
    "api:embeddings": _program(POST="search"),
    "api:me": _program(GET=""),
    "api:search": _program(POST="search"),
    "api:corpora": _program(GET="read", POST="manage"),
    "api:corpus": _program(GET="read", DELETE="manage"),
    "api:corpus_documents": _program(GET="read", POST="manage"),
    "api:document": _program(GET="read", DELETE="manage"),
    "api:document_text": _program(GET="read"),
    "api:retry_document": _program(POST="manage"),
    "api:document_tags": _program(PUT="manage"),
    "api:conversations": _program(GET="ask"),
    "api:conversation": _program(GET="ask", DELETE="ask"),
    "api:feedback": _program(PUT="ask"),
    "api:widget_tokens": _program(POST="widget"),
    "api:golden_runs": _program(GET="manage", POST="manage"),
    "api:golden_run": _program(GET="manage"),
}


def all_route_names() -> list[str]:
    """Every route of the URL configuration by its full name; a route without a name is listed by its pattern."""

    def walk(patterns: list[Any], prefix: str) -> list[str]:
        names = []
        for pattern in patterns:
            if isinstance(pattern, URLResolver):
                inner = f"{prefix}{pattern.namespace}:" if pattern.namespace else prefix
                names += walk(pattern.url_patterns, inner)
            elif isinstance(pattern, URLPattern):
                names.append(f"{prefix}{pattern.name}" if pattern.name else f"unnamed {pattern.pattern}")
        return names

    return walk(get_resolver().url_patterns, "")


@register("security")
def check_every_route_is_declared(**_: object) -> list[Error]:
    names = set(all_route_names())
    undeclared = [
        Error(f"Route {name!r} is not in the access table.", hint="Declare it in config/access.py.", id="intramural.E001")
        for name in sorted(names - ROUTES.keys())
    ]
    stale = [
        Error(f"The access table names {name!r}, which is no route.", id="intramural.E002")
        for name in sorted(ROUTES.keys() - names)
    ]
    return undeclared + stale


class AccessTableMiddleware:
    """Applies the table before the view, and marks what a signed-in person gets as not to be stored by anyone.

    It knows no coroutines, and is the innermost, so Django runs the whole chain in the request's thread; else each of the others
    would change threads twice for each request."""

    async_capable = False
    sync_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        from assistant.api.gate import add_limits

        response = self.get_response(request)
        response.headers.setdefault("Cache-Control", "no-store")
        add_limits(request, response)
        return response

    def process_view(self, request: HttpRequest, view: object, args: object, kwargs: object) -> Any:
        return refusal(request)


def refusal(request: HttpRequest) -> HttpResponse | None:
    """What the table answers instead of the view; None lets the view answer."""
    from ingestion.permissions import can_manage_something, is_administrator

    match = request.resolver_match
    rule = ROUTES.get(match.view_name) if match else None
    if rule is None:
        raise Http404
    if rule.access is Access.PROGRAM:
        return _refusal_of_program(request, rule)
    if rule.access is Access.WIDGET:
        return _refusal_of_widget(request, rule)
    if rule.access is not Access.PUBLIC and not request.user.is_authenticated:
        return _to_login(request)
    if rule.access is Access.MANAGER and not can_manage_something(request.user):
        raise Http404
    if rule.access is Access.ADMINISTRATOR and not is_administrator(request.user):
        raise Http404
    if request.method not in rule.methods:
        return HttpResponseNotAllowed(sorted(rule.methods))
    return None


def _refusal_of_program(request: HttpRequest, rule: Rule) -> HttpResponse | None:
    from assistant.api.errors import error_response
    from assistant.api.gate import refusal_without_token

    method = request.method or ""
    if method not in rule.methods:
        response = error_response(405, "method_not_allowed", f"This address takes {' and '.join(sorted(rule.methods))}.")
        response.headers["Allow"] = ", ".join(sorted(rule.methods))
        return response
    return refusal_without_token(request, rule.scopes[method])


def _refusal_of_widget(request: HttpRequest, rule: Rule) -> HttpResponse | None:
    from assistant.widget.gate import refusal_from_widget

    refused = refusal_from_widget(request)
    if refused is None and request.method not in rule.methods:
        return HttpResponseNotAllowed(sorted(rule.methods))
    return refused


def _to_login(request: HttpRequest) -> HttpResponse:
    """To the sign-in page; a fragment or stream cannot show one, so htmx is told to load it as a page."""
    here = request.get_full_path() if request.method == "GET" else "/"
    if request.headers.get("HX-Request") or "text/event-stream" in request.headers.get("Accept", ""):
        response = HttpResponse(status=401)
        response.headers["HX-Redirect"] = redirect_to_login("/").headers["Location"]
        return response
    return redirect_to_login(here)
