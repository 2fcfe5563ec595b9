"""What is done, as people ask how to do it: “Installing the agent”, “Install the agent” and “Installs the agent.” are all “How
do I install the agent?”."""

from __future__ import annotations

import re

from specialists.grounding.words import word_set

MOST_WORDS = 16
_VERBS = word_set(
    """
    add allow apply approve archive ask assign attach authorise authorize back book build buy calculate calibrate call cancel
    change charge check choose claim clean clear close collect compare compile compute configure connect convert copy correct
    count create cut debug define delete deploy describe detect disable download draw enable end escalate evaluate export extend
    fetch fill find fit fix format generate get give grant handle hire import inspect install invite join keep label link list
    load log make mark measure merge migrate monitor mount move open order pack parse pay pick plan post prepare print publish
    pull push put query raise read reboot rebuild receive record recover refund register release remove rename renew repair
    replace report request reset resolve restart restore retry return revoke roll rotate run save schedule search select send set
    show shut sign skip sort split start stop store submit switch test trace track train transfer translate turn undo uninstall
    unlock update upgrade upload use validate verify wait wash watch withdraw wrap write
    """
)
_TWICE = {verb: f"{verb}{verb[-1]}ing" for verb in ("cut", "fit", "get", "put", "run", "set", "shut", "stop", "submit", "wrap")}
_GERUNDS = {
    _TWICE.get(verb, f"{verb[:-1] if verb.endswith('e') and not verb.endswith('ee') else verb}ing"): verb for verb in _VERBS
}
_GERUNDS |= {"planning": "plan", "skipping": "skip", "splitting": "split", "logging": "log", "transferring": "transfer"}
_THIRD = {
    f"{verb[:-1]}ies" if verb.endswith("y") and verb[-2] not in "aeiou" else f"{verb}es" if verb.endswith(("s", "x", "ch", "sh"))
    else f"{verb}s": verb for verb in _VERBS
}  # fmt: skip
_FIRST = re.compile(r"([A-Za-z]+) ([^\n]*)")
# A heading is as often a thing: “Order status”, “Opening hours”. A doing has an article, or a gerund before something else.
_AFTER = word_set("a an the your our my all each every this that these from to with for in on into up out off as by")
_THINGS = word_set(
    """hours hour costs cost salary time times date dates day days fee fees list rules rule policy policies process procedure
    requirements guide room rooms course courses plan plans access materials position positions limit limits point points
    system standard standards instructions orders"""
)


def how_do_i(words: str, *, is_sentence: bool = False) -> str:
    """The question that a heading asks, or a sentence of a docstring; empty where the words do not say what is done."""
    found = _FIRST.fullmatch(words.strip().rstrip(".:"))
    if found is None or len(words.split()) > MOST_WORDS or not found[2].strip():
        return ""
    first, rest = found[1].lower(), found[2].strip()
    second = rest.split()[0].lower()
    verb = _GERUNDS.get(first, "") if second not in _THINGS else ""
    if is_sentence or second in _AFTER:
        verb = verb or (first if first in _VERBS else "") or (_THIRD.get(first, "") if is_sentence else "")
    return f"How do I {verb} {rest}?" if verb else ""
