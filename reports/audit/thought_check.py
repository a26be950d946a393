"""Finds thoughts of another task: their words stand nowhere in what was asked, seen, or done in the same turn.

Words that many rows' thoughts have are how this set's agent speaks (list, count, table) and say nothing of a task; so a
thought is judged once all rows are read. What is kept of a row until then is its few unheard words.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from reports.audit.acting import is_agents, replies, thought_of
from reports.audit.defects import AuditedRow, DefectFound
from schemas.message import Message

LEAST_WORDS = 2
"""A thought with fewer words that say something is about nothing at all."""
UNHEARD = 0.75
"""Share of these words that stand nowhere before the thought, from which on it is another task's."""
COMMON_ROWS, COMMON_SHARE = 3, 0.01
"""Rows, and share of the rows, in whose thoughts a word stands to be one of the set's own."""
_WORD = re.compile(r"[a-z][a-z']+")
_CODE = re.compile(r"```.*?(?:```|$)", re.DOTALL)
_ENDING = re.compile(r"(?:ations?|ings?|ers?|ed|ly|es|s|e)$")
_SAYS_NOTHING = frozenset(
    """
    able about above after again all also already and any are been before being below both but can could did does doing
    done down each either else enter entered every few first following for found from further get give given goes going
    got had has have having here him his how into its itself just know last least let like look looking made make making
    many may maybe might more most much must need needed needs new next not now off once one only option options other
    our out over own part please previous prior proceed provide same see seem seems select selected selecting set
    shall should since some still such sure take than that the their them then there these they thing things this those
    though through time too try trying two under until upon use used user uses using value very want wants was way well
    were what when where whether which while who whose why will with within without would yes yet you your thought think
    action answer click clicking type typing choose chosen choice field button box page link search searching step task
    an as at be by do go he if in is it me my no of on or so to up us we am i'm i'll i've i'd it's let's don't that's
    term terms submit submitting criteria criterion requirement requirements today
    nothing everything anything something check checks checking checked left result results compute computed computing
    single store stored show shown showing list lists listed listing file files folder directory table tables column row
    rows columns query queries command commands output outputs run running count counts number numbers name names start
    note job done finish finished complete completed input inputs text read reading write begin
    correct matches match matching appropriate relevant appears available based because therefore thus order
    """.split()  # noqa: SIM905
)


class _Suspect(NamedTuple):
    place: str
    thought: str
    words: frozenset[str]
    unheard: frozenset[str]


class ThoughtCheck:
    """Is shown every row, and then says whose thoughts are another task's."""

    def __init__(self) -> None:
        self._rows = 0
        self._having: Counter[str] = Counter()
        self._suspects: list[_Suspect] = []

    def look_at(self, row: AuditedRow) -> None:
        """Look at the thoughts of a row."""
        if not is_agents(row):
            return
        self._rows += 1
        heard: set[str] = set()
        thought_words: set[str] = set()
        trained = {at for at, _ in replies(row)}
        for at, message in enumerate(row.messages):
            words = _stems(thought_of(message)) if at in trained else frozenset[str]()
            unheard = words - heard - _done(message)
            if len(words) >= LEAST_WORDS and len(unheard) >= UNHEARD * len(words):
                self._suspects.append(_Suspect(row.place, thought_of(message), words, unheard))
            thought_words |= words
            heard |= _stems(message.content) | _done(message)
        self._having.update(thought_words)

    def findings(self) -> Iterator[DefectFound]:
        """Yield the thoughts that are about nothing of their row, a row once."""
        least = max(COMMON_ROWS, COMMON_SHARE * self._rows)
        told: set[str] = set()
        for place, thought, words, unheard in self._suspects:
            own = {word for word in words if self._having[word] < least}
            strange = unheard & own
            if place not in told and len(own) >= LEAST_WORDS and len(strange) >= UNHEARD * len(own):
                told.add(place)
                yield DefectFound("foreign_thought", place, f"{' '.join(thought.split())[:100]!r}")


def _done(message: Message) -> frozenset[str]:
    """Return the words of the code and the calls that a thought goes with: what it leads to, it is about."""
    code = [found[0] for found in _CODE.finditer(message.content)]
    return _stems("\n".join((*code, *(f"{call.name} {call.arguments}" for call in message.tool_calls))))


def _stems(text: str) -> frozenset[str]:
    return frozenset(map(_stem, set(_WORD.findall(text.lower())) - _SAYS_NOTHING))


@lru_cache(maxsize=100_000)
def _stem(word: str) -> str:
    return _ENDING.sub("", word) or word
