"""The routes of asking. Declared in config/access.py."""

from __future__ import annotations

from django.urls import path

from assistant.mcp.views import mcp
from assistant.slack import views as slack
from assistant.slack.source import views as sources
from assistant.views import (
    answers,
    calibration,
    chat,
    conversations,
    escalations,
    examples,
    golden,
    golden_runs,
    inbox,
    limits,
    quality,
    routing,
    search_test,
    specialists,
    tokens,
    versions,
)
from assistant.widget import views as widget

app_name = "assistant"

_CONVERSATION = "conversations/<int:conversation_id>"
_ANSWER = "answers/<int:answer_id>"
_INBOX_ITEM = "inbox/<int:escalation_id>"
_GOLDEN = "manage/corpora/<slug:slug>/golden"
_SPECIALIST = "manage/specialists/<slug:slug>"
_DATA_SET = f"{_SPECIALIST}/data-sets/<int:number>"
_VERSION = f"{_SPECIALIST}/versions/<int:number>"

urlpatterns = [
    path("", chat.home, name="home"),
    path("ask", chat.ask, name="ask"),
    path("documents/<int:document_id>/summarise", chat.summarise, name="summarise"),
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
    path(f"{_ANSWER}/ask-a-person", escalations.ask_person, name="ask_person"),
    path(f"{_ANSWER}/person", escalations.escalation, name="escalation"),
    path(f"{_ANSWER}/person/stand", escalations.take_stand_on_reply, name="take_stand"),
    path("replies/", escalations.replies, name="replies"),
    path("manage/search-test", search_test.search_test, name="search_test"),
    path("inbox/", inbox.inbox, name="inbox"),
    path(f"{_INBOX_ITEM}/", inbox.inbox_item, name="inbox_item"),
    path(f"{_INBOX_ITEM}/pass-on", inbox.pass_on_question, name="pass_on"),
    path(f"{_INBOX_ITEM}/document", inbox.keep_document, name="keep_document"),
    path(f"{_INBOX_ITEM}/example", inbox.keep_example, name="keep_example"),
    path("examples/", examples.examples, name="examples"),
    path("examples/export", examples.export_examples, name="export_examples"),
    path("examples/<int:example_id>/", examples.example, name="example"),
    path("examples/<int:example_id>/remove", examples.remove, name="remove_example"),
    path("examples/feedback/<int:feedback_id>", examples.use_feedback, name="use_feedback"),
    path(f"{_GOLDEN}/", golden.golden, name="golden"),
    path(f"{_GOLDEN}/new", golden.new_golden, name="new_golden"),
    path(f"{_GOLDEN}/import", golden.import_golden, name="import_golden"),
    path(f"{_GOLDEN}/export", golden.export_golden, name="export_golden"),
    path(f"{_GOLDEN}/questions/<int:question_id>/", golden.change_golden, name="change_golden"),
    path(f"{_GOLDEN}/questions/<int:question_id>/delete", golden.delete_golden, name="delete_golden"),
    path(f"{_GOLDEN}/run", golden_runs.run_golden, name="run_golden"),
    path(f"{_GOLDEN}/runs/<int:run_id>/", golden_runs.golden_run, name="golden_run"),
    path(f"{_GOLDEN}/runs/<int:run_id>/stop", golden_runs.stop_golden, name="stop_golden"),
    path(f"{_GOLDEN}/compare", golden_runs.compare_golden, name="compare_golden"),
    path(f"{_ANSWER}/golden", golden.golden_from_answer, name="golden_from_answer"),
    path("programs/", tokens.tokens, name="tokens"),
    path("programs/<int:token_id>/revoke", tokens.revoke, name="revoke_token"),
    path("mcp", mcp, name="mcp"),
    path("manage/calibration/", calibration.calibration, name="calibration"),
    path("manage/corpora/<slug:slug>/calibration", calibration.change_calibration, name="change_calibration"),
    path("manage/quality/", quality.quality, name="quality"),
    path("manage/quality/routes", quality.routes, name="routes"),
    path("manage/limits/", limits.limits, name="limits"),
    path("manage/limits/<int:limit_id>/remove", limits.remove_limit, name="remove_limit"),
    path("manage/slack/", slack.slack, name="slack"),
    path("manage/slack/channels", slack.switch_channel_on, name="slack_channel"),
    path("manage/slack/channels/<int:channel_id>/off", slack.switch_channel_off, name="slack_channel_off"),
    path("manage/slack/disconnect", slack.disconnect_slack, name="slack_disconnect"),
    path("manage/slack/sources/new", sources.new_source, name="slack_source_new"),
    path("manage/slack/sources/<int:source_id>/compare", sources.compare_source, name="slack_source_compare"),
    path("manage/slack/sources/<int:source_id>/stop", sources.stop_source, name="slack_source_stop"),
    path("manage/slack/sources/<int:source_id>/resume", sources.resume_source, name="slack_source_resume"),
    path("slack/events", slack.events, name="slack_events"),
    path("slack/interactions", slack.interactions, name="slack_interactions"),
    path("slack/commands", slack.commands, name="slack_commands"),
    path("widget.js", widget.script, name="widget_script"),
    path("widget/", widget.frame, name="widget"),
    path("widget/chat", widget.chat, name="widget_chat"),
    path("widget/ask", widget.ask, name="widget_ask"),
    path(f"widget/{_ANSWER}/", widget.answer, name="widget_answer"),
    path(f"widget/{_ANSWER}/stream", widget.stream, name="widget_stream"),
    path(f"widget/{_ANSWER}/stop", widget.stop, name="widget_stop"),
    path(f"widget/{_ANSWER}/feedback", widget.feedback, name="widget_feedback"),
    path("manage/routing/", routing.routing, name="routing"),
    path("manage/routing/teach", routing.teach_routing, name="teach_routing"),
    path("manage/routing/rules/<int:rule_id>", routing.change_routing_rule, name="change_routing_rule"),
    path("manage/specialists/", specialists.specialists, name="specialists"),
    path(f"{_SPECIALIST}/", specialists.specialist, name="specialist"),
    path(f"{_SPECIALIST}/data-sets/", specialists.make_data_set, name="make_data_set"),
    path(f"{_DATA_SET}/", specialists.data_set, name="data_set"),
    path(f"{_DATA_SET}/stop", specialists.stop_data_set, name="stop_data_set"),
    path(f"{_DATA_SET}/drop-found", specialists.drop_found, name="drop_found"),
    path(f"{_DATA_SET}/rows/<int:row_id>/drop", specialists.drop_row, name="drop_row"),
    path(f"{_DATA_SET}/train", versions.new_version, name="new_version"),
    path(f"{_VERSION}/", versions.version, name="version"),
    path(f"{_VERSION}/stop", versions.stop_version, name="stop_version"),
    path(f"{_VERSION}/retry", versions.retry_training, name="retry_version"),
    path(f"{_VERSION}/promote", versions.promote_version, name="promote_version"),
    path(f"{_VERSION}/roll-back", versions.roll_back_version, name="roll_back_version"),
    path(f"{_VERSION}/trial/start", versions.start_trial, name="start_trial"),
    path(f"{_VERSION}/trial/stop", versions.stop_trial, name="stop_trial"),
]
