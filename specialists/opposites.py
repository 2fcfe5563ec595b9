"""Words that turn a sentence's meaning when one stands where the other stood. All forms are written out: the rules compare
words as they are, and the corruptions put them back into sentences."""

from __future__ import annotations

_PAIRS = """
must|may, must|can, shall|may, required|optional, mandatory|optional, compulsory|voluntary, required|recommended, always|never,
always|sometimes, usually|never, often|rarely, often|never, all|some, all|none, all|no, every|no, every|some, everyone|nobody,
everyone|someone, both|neither, most|few, many|few, more|less, more|fewer, most|least, least|most, over|under, above|below,
maximum|minimum, before|after, until|after, since|until, earlier|later, early|late, first|last, previous|next, increase|decrease,
increases|decreases, increased|decreased, increasing|decreasing, rise|fall, rises|falls, rose|fell, rising|falling, higher|lower,
high|low, highest|lowest, larger|smaller, largest|smallest, greater|smaller, greater|less, longer|shorter, long|short,
faster|slower, fast|slow, new|old, newer|older, best|worst, better|worse, good|bad, positive|negative, allow|forbid,
allows|forbids, allowed|forbidden, allowed|prohibited, permitted|prohibited, permitted|forbidden, include|exclude,
includes|excludes, included|excluded, including|excluding, accept|reject, accepts|rejects, accepted|rejected, approve|reject,
approved|rejected, approved|denied, enable|disable, enables|disables, enabled|disabled, internal|external, public|private,
open|closed, opens|closes, opened|closed, win|lose, won|lost, inside|outside, within|outside, with|without, possible|impossible,
likely|unlikely, able|unable, legal|illegal, valid|invalid, complete|incomplete, safe|unsafe, paid|unpaid, same|different,
begin|end, began|ended, begins|ends, start|end, starts|ends, start|stop, started|stopped, started|ended, up|down, left|right,
north|south, northern|southern, east|west, eastern|western, male|female, men|women, success|failure, succeeded|failed,
pass|fail, passed|failed, buy|sell, bought|sold, import|export, arrive|leave, join|leave, joined|left, add|remove, adds|removes,
added|removed, show|hide, support|oppose, supported|opposed, agree|disagree, agreed|disagreed, true|false, yes|no,
active|inactive, full|empty, strong|weak, daily|weekly, weekly|monthly, monthly|yearly, annually|monthly, monthly|annual,
monthly|quarterly, quarterly|annually, temporary|permanent, direct|indirect, directly|indirectly, manual|automatic,
manually|automatically, formal|informal, upper|lower, major|minor, primary|secondary, partly|fully, employer|employee,
buyer|seller, sender|recipient, parent|child, landlord|tenant, lender|borrower, licensor|licensee, controller|processor
"""


def _word_set(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _read() -> dict[str, tuple[str, ...]]:
    table: dict[str, tuple[str, ...]] = {}
    for pair in _PAIRS.replace("\n", " ").split(","):
        left, right = pair.strip().split("|")
        table[left] = (*table.get(left, ()), right)
        table[right] = (*table.get(right, ()), left)
    return table


OPPOSITES = _read()
NEGATIONS = _word_set("not no never without neither nor none nobody nothing")
AUXILIARIES = _word_set("do does did be is are was were been will would shall should can could may might must have has had")


def are_opposite(left: str, right: str) -> bool:
    return right.lower() in OPPOSITES.get(left.lower(), ())
