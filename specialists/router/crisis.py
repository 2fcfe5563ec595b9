"""Words in which people speak of harming themselves. A classifier may miss one of them; this list does not, and it takes no
question about a policy or an insurance for one, since it asks for the first person."""

from __future__ import annotations

import re

_SELF_HARM = (
    r"(?:kill|hurt|harm|cut|cutting|hurting|harming|killing|hang|drown) myself",
    r"(?:end|ending|take|taking) my (?:own )?life",
    r"end it all",
    r"i (?:really |just |only )?(?:want|wish) to (?:die|be dead)",
    r"i (?:do not|don't|dont) want to (?:live|be alive|go on living)",
    r"i(?: am|'m|m) (?:feeling |thinking of |thinking about )?(?:suicidal|suicide)",
    r"i (?:feel suicidal|think (?:of|about) suicide)",
    r"i (?:plan|intend|want) to commit suicide",
    r"better off (?:without me|dead)",
)
_CRISIS = re.compile("|".join(rf"\b{words}\b" for words in _SELF_HARM))


def speaks_of_self_harm(text: str) -> bool:
    return _CRISIS.search(" ".join(text.lower().replace("’", "'").split())) is not None
