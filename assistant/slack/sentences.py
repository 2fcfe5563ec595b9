"""What people in Slack are told, by what became of their question: each outcome has its reaction and its sentence."""

from __future__ import annotations

from assistant.slack.models import Outcome

SEEN = "eyes"
REACTIONS: dict[str, str] = {
    Outcome.ANSWERED: "white_check_mark",
    Outcome.NO_EVIDENCE: "grey_question",
    Outcome.SENT_ON: "raising_hand",
    Outcome.NO_PERMISSION: "lock",
    Outcome.OUTSIDERS: "lock",
    Outcome.NOT_LINKED: "lock",
    Outcome.REFUSED: "grey_question",
    Outcome.OVER_LIMIT: "hourglass",
    Outcome.BUSY: "hourglass",
    Outcome.STOPPED: "black_square_for_stop",
    Outcome.BROKEN: "warning",
    Outcome.IGNORED: "grey_question",
}

SEARCHING = "Searching…"
NOT_LINKED = (
    "I cannot tell who you are here: answers depend on what you may read. Your Slack account needs a confirmed e-mail address "
    "that belongs to exactly one account here. Ask an administrator to enter the same address in both."
)
OUTSIDER = "I answer only people of this organization: a guest, or a member of another workspace, gets no answer."
EXTERNAL = (
    "This channel is shared with another organization, so I say nothing here. Ask me in a direct message, or in a channel "
    "without outsiders."
)
GUESTS = "There are guests in this channel, so I say nothing here. Ask me in a direct message, or in a channel without guests."
STRANGERS = (
    "Not everybody in this channel has an account here, so I cannot tell what all of you may read, and say nothing. Ask me in a "
    "direct message."
)
TOO_MANY = "This channel has more than {most} members, more than I can check at each question. Ask me in a direct message."
UNSEEN = "I cannot see who reads along here, so I say nothing. Invite me to this channel, or ask me in a direct message."
NOTHING_HERE = (
    "There is nothing that I could use here: no documents that everybody in this channel may read and that may be answered in "
    "Slack. Ask me in a direct message, where only your own rights count."
)
NOTHING_DIRECT = (
    "There is nothing that I could use: no documents that you may read and that may be answered in Slack. Ask in the browser."
)
CHANGED = "Who may read the sources changed while I was answering, so I do not show the answer. Ask again."
NO_EVIDENCE_HERE = (
    "The documents that everybody here may read do not answer this. In a direct message I use all that you may read."
)
PER_PERSON = "You asked {most} questions in the last minute. Ask again in a minute."
PER_CHANNEL = "There were {most} questions in this channel in the last minute. Ask again in a minute."
BUSY = "Too many questions are waiting at the moment. Ask again in a few minutes."
STOPPED = "This question was stopped."
BROKEN = (
    "Something went wrong, and I could not answer. Ask again; if it happens again, tell an administrator the time it happened."
)
ANSWERED_ALREADY = "I have answered this message already: the answer is in its thread."
ALREADY_ASKED = "Somebody has asked me to answer this message already: the answer comes in its thread."
NOT_SURE = "The answer was not sure enough for a channel that answers by itself."
TOLD_ALONE = "Told to the asker alone."
WISH = "Nobody has been told yet. Ask your question: “Ask a person” under its answer sends it to somebody who can help."
WELCOME = "What would you like to know?"
KILLER = "Working on it stopped the worker three times."

ONLY_ASKER = "Only the person who asked can do this."
GONE = "This answer is not there any more."
HELPFUL = "Thank you. Your opinion was recorded."
WHAT_WAS_WRONG = (
    "Recorded. What was wrong with it? With a reason, your question is shown, without your name, to people who look after the "
    "documents and may read what the answer was made from; if a language model wrote the answer, so is the answer."
)
NOT_SHARED = "Not everybody in this channel may read the sources of this answer, so it stays with you."
CUT = "The answer is longer than Slack shows."
CUT_HERE = "The answer is longer than Slack shows. Ask me in a direct message for all of it."


class NotAnsweredError(Exception):
    """There will be no answer. `sentence` is for the asker alone, `reason` for the list of events; by default they are one."""

    def __init__(self, outcome: str, sentence: str, *, reason: str = "") -> None:
        super().__init__(outcome)
        self.outcome = outcome
        self.sentence = sentence
        self.reason = reason or sentence
