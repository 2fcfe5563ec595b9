"""Greetings and thanks that are the whole message. “Hi, how many days of leave?” is a question, so every word must be one
that people use in small talk and at least one phrase must be small talk by itself."""

from __future__ import annotations

import re

MOST_WORDS = 14
_CORE = """
    hi, hello, hallo, hey, heya, heyo, hiya, howdy, yo, greetings, good morning, good afternoon, good evening, good day,
    good night, morning, evening, afternoon, nice to meet you, pleased to meet you, good to see you, nice to see you,
    good seeing you, how are you, how are ya, how're you, how do you do, how have you been, how are things, how is it going,
    how's it going, how is life, how's life, how is everything, how's everything, how goes it, what's up, sup, are you there,
    anyone there, long time no see, happy monday, happy friday, happy new year, merry christmas, have a nice, have a good,
    have a great, hope you are well, hope you're well, thanks, thank, thx, ty, ta, cheers, merci, gracias, much obliged,
    appreciate, appreciated, grateful, thankful, well done, good job, great job, great work, nice work, great answer,
    good answer, big help, great help, perfect, brilliant, awesome, very helpful, super helpful, so helpful, very kind, bye,
    goodbye, ciao, adios, sayonara, farewell, see you, see ya, take care, take it easy, cheerio, so long, until next time,
    until tomorrow, talk to you later, catch you later, nice talking, good talking, nice chatting, nice to speak, a pleasure,
    enjoyed talking, enjoyed chatting, enjoyed speaking, enjoyed our chat, enjoyed our talk, nice chat, good talk, nice talk,
    great talk, great chat, glad we
"""
_OTHERS = """
    a again ai all alright always am and answer any anyone are around assistance assistant be been being best big bot buddy
    bunch but by chat chatting clear conversation cool day dear did do doing ever everybody everyone everything excellent exactly
    explaining fantastic far fine folks for found friend from fun glad go going good got great had have having hearing heaps help
    helped helpful helping here hope hoping how how's hows i i'm im info information is it it's its just kind kindly later leave
    life looking lot lots lovely makes many mate me meet million much must my need needed new next nice night no now of ok okay
    one our out pal patience please pleased pleasure problem quick really right same saved seeing sense sir so solved soon speak
    speaking super support sure talk talking team that that's the there things this tip to today together tomorrow ton tons too
    top u understood until up useful very was we week weekend well were with wonderful work wow ya yes yesterday you you're
    you've your
"""
_PHRASES = tuple(phrase.strip() for phrase in " ".join(_CORE.split()).split(","))
_WORDS = frozenset(word for phrase in _PHRASES for word in phrase.split()) | frozenset(_OTHERS.split())
_PHRASE = re.compile(r"\b(?:" + "|".join(sorted(map(re.escape, _PHRASES), key=len, reverse=True)) + r")\b")
_ASKING = re.compile(
    r"\b(?:how (?:are|is|have|do|was)|how's|hows|what's up|sup|any(?:one|body) (?:here|there)|are you (?:there|here|well))\b"
)
_TOKEN = re.compile(r"[^\W_]+(?:'[^\W_]+)*")

GREETING_REPLY = "Hello. Ask a question, and I look for the answer in the documents that you may read."
THANKS_REPLY = "You are welcome. Ask again whenever you like."
FAREWELL_REPLY = "Goodbye. Your conversations stay here for when you come back."
_FAREWELL = re.compile(
    r"\b(?:bye|goodbye|good night|see you|see ya|take care|cheerio|ciao|adios|farewell|so long|until next time|until tomorrow"
    r"|talk to you later|catch you later)\b"
)


def is_only_smalltalk(text: str) -> bool:
    """Whether nothing in the message is left to answer."""
    normal = text.lower().replace("’", "'")
    words = _TOKEN.findall(normal)
    if not words or len(words) > MOST_WORDS or not set(words) <= _WORDS:
        return False
    if "?" in text and not _ASKING.search(normal):
        return False
    return _PHRASE.search(normal) is not None


def smalltalk_reply(text: str, intent: str) -> str:
    if _FAREWELL.search(text.lower()):
        return FAREWELL_REPLY
    return THANKS_REPLY if intent == "thanks" else GREETING_REPLY
