"""What is done, as people ask how to do it: “Installing the agent”, “Install the agent” and “Installs the agent.” are all “How
do I install the agent?”."""

from __future__ import annotations

import re

MOST_WORDS = 16
_VERBS = frozenset(
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
    """.split()  # noqa: SIM905
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
_FIRST = re.compile(r"([A-Za-z]+)((?:[ /][^\n]*)?)")


def how_do_i(words: str) -> str:
    """The question; empty where the words do not say what is done."""
    found = _FIRST.fullmatch(words.strip().rstrip(".:"))
    if found is None or len(words.split()) > MOST_WORDS or not found[2].strip():
        return ""
    first = found[1].lower()
    verb = first if first in _VERBS else _GERUNDS.get(first) or _THIRD.get(first)
    return f"How do I {verb}{found[2]}?" if verb else ""
