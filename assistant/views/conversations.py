"""What a person does with a conversation: rename, delete, share, export, find, and read one that is shared."""

from __future__ import annotations

from django.contrib import messages
from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import content_disposition_header
from django.utils.text import slugify

from assistant.context import conversations_by_age
from assistant.exporting import export_markdown
from assistant.permissions import conversations_of, get_conversation_for, get_shared_conversation
from assistant.presentation import present_conversation
from assistant.services import delete_conversation as remove
from assistant.services import rename_conversation as rename
from assistant.services import share_conversation as share
from assistant.services import unshare_conversation as unshare
from assistant.views.chat import share_url
from assistant.views.requests import PersonRequest
from ingestion.views.deleting import remember_deletion, sent_twice

FOUND = 60


def rename_conversation(request: PersonRequest, conversation_id: int) -> HttpResponse:
    own = get_conversation_for(request.user, conversation_id)
    rename(conversation=own, title=request.POST.get("title", ""))
    return redirect("assistant:conversation", conversation_id=own.pk)


@sent_twice
def delete_conversation(request: PersonRequest, conversation_id: int) -> HttpResponse:
    own = get_conversation_for(request.user, conversation_id)
    remember_deletion(request, reverse("assistant:home"))
    remove(conversation=own)
    messages.success(request, "The conversation is deleted.")
    return redirect("assistant:home")


def share_conversation(request: PersonRequest, conversation_id: int) -> HttpResponse:
    own = get_conversation_for(request.user, conversation_id)
    if request.POST.get("shared") == "1":
        share(conversation=own)
    else:
        unshare(conversation=own)
    if not request.htmx:
        return redirect("assistant:conversation", conversation_id=own.pk)
    return render(request, "assistant/_share.html", {"conversation": own, "share_url": share_url(request, own)})


def shared_conversation(request: PersonRequest, token: str) -> HttpResponse:
    """Someone's conversation, as far as this person may read its sources."""
    shared = get_shared_conversation(request.user, token)
    context = {"shared": shared, "answers": present_conversation(shared, request.user)}
    return render(request, "assistant/shared.html", context)


def export_conversation(request: PersonRequest, conversation_id: int) -> HttpResponse:
    own = get_conversation_for(request.user, conversation_id)
    response = HttpResponse(export_markdown(own, request.user), content_type="text/markdown; charset=utf-8")
    name = f"{slugify(own.title)[:60] or 'conversation'}.md"
    response.headers["Content-Disposition"] = content_disposition_header(as_attachment=True, filename=name) or "attachment"
    return response


def search_conversations(request: PersonRequest) -> HttpResponse:
    """One's own conversations with these words in the title or a question; all of them, by age, for no words."""
    query = " ".join(request.GET.get("q", "").replace("\0", "").split())[:200]
    found = conversations_of(request.user).filter(Q(title__icontains=query) | Q(answers__question__icontains=query)).distinct()
    groups = [("Found", list(found[:FOUND]))] if query else conversations_by_age(request.user)
    context = {"groups": [group for group in groups if group[1]], "conversation_query": query}
    return render(request, "assistant/_conversations.html" if request.htmx else "assistant/search.html", context)
