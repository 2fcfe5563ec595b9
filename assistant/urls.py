"""The routes of asking. Declared in config/access.py."""

from __future__ import annotations

from django.urls import path

from assistant.views import answers, chat, conversations

app_name = "assistant"

_CONVERSATION = "conversations/<int:conversation_id>"
_ANSWER = "answers/<int:answer_id>"

urlpatterns = [
    path("", chat.home, name="home"),
    path("ask", chat.ask, name="ask"),
    path("conversations/search", conversations.search_conversations, name="search_conversations"),
    path(f"{_CONVERSATION}/", chat.conversation, name="conversation"),
    path(f"{_CONVERSATION}/rename", conversations.rename_conversation, name="rename_conversation"),
    path(f"{_CONVERSATION}/delete", conversations.delete_conversation, name="delete_conversation"),
    path(f"{_CONVERSATION}/share", conversations.share_conversation, name="share_conversation"),
    path(f"{_CONVERSATION}/export", conversations.export_conversation, name="export_conversation"),
    path("shared/<str:token>/", conversations.shared_conversation, name="shared_conversation"),
    path(f"{_ANSWER}/", answers.answer, name="answer"),
    path(f"{_ANSWER}/stream", answers.stream, name="stream"),
    path(f"{_ANSWER}/stop", answers.stop, name="stop"),
    path(f"{_ANSWER}/retry", answers.retry, name="retry"),
    path(f"{_ANSWER}/feedback", answers.feedback, name="feedback"),
    path(f"{_ANSWER}/citations/<int:number>/", answers.citation, name="citation"),
]
