"""Words in which people speak of harming themselves. A classifier misses some of them, and so may this list, which is
for those that are certain: it takes no question about a policy or an insurance for one, since it asks for the first person."""

from __future__ import annotations

import re

_OFTEN = r"(?:really |just |only |often |sometimes )?"
_NOT = r"(?:do not|don't|dont|no longer)"
_CANNOT = r"(?:can not|cannot|can't|cant|could not|couldn't)"
_SELF_HARM = (
    r"(?:kill|hurt|harm|cut|cutting|hurting|harming|killing|hang|drown) myself",
    r"(?:end|ending|take|taking) my (?:own )?life",
    r"(?:end|ending) it all(?! at once)",
    rf"i {_OFTEN}(?:want|wish) to (?:die|be dead)",
    rf"i {_OFTEN}wish (?:that )?i (?:was|were) (?:dead|never born|not alive)",
    rf"i {_OFTEN}wish (?:that )?i had never been born",
    rf"i {_NOT} (?:want|wish) to (?:live|be alive|go on living|wake up|exist|be here any ?more)",
    rf"i {_CANNOT} (?:go on|live like this) any ?more",
    r"(?:no|any) (?:more )?(?:reason|point) (?:left )?(?:to live|to go on living|in living)",
    r"nothing (?:left )?to live for",
    r"life (?:is not|isn't|is no longer) worth living",
    r"i(?: am|'m|m) (?:feeling |thinking of |thinking about |having thoughts of )?(?:suicidal|suicide)",
    r"i (?:feel suicidal|think (?:of|about) suicide)",
    r"(?:my|have|having) (?:suicidal thoughts|thoughts of suicide)",
    r"i (?:plan|intend|want) to commit suicide",
    r"better off (?:without me|dead)",
)
_CRISIS = re.compile("|".join(rf"\b{words}\b" for words in _SELF_HARM))


def speaks_of_self_harm(text: str) -> bool:
    return _CRISIS.search(" ".join(text.lower().replace("’", "'").split())) is not None
