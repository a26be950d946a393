"""What stands around the core of a problem: who asks and why, and in which form the answer is wanted.

Wide on purpose: two problems of one family must differ in most of their words (ROUGE-L below 0.7).
"""

from __future__ import annotations

import random

from environments.os.families import words
from environments.os.families.family import Kind
from environments.os.families.phrasing import phrases

_WORDS: dict[str, tuple[str, ...]] = {
    "person": words.PEOPLE,
    "other": words.PEOPLE,
    "city": tuple(city.capitalize() for city in words.CITIES),
    "day": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "month": words.listed("January February March April May June July August September October November December"),
    "team": words.listed(
        "accounting logistics support research design payroll security marketing fulfilment editorial facilities "
        "compliance network storage training"
    ),
    "place": words.PLACES,
    "thing": (
        "an audit", "a migration", "the yearly review", "a training session", "a status report", "a handover",
        "an inspection", "a newsletter", "a dashboard", "a backup plan", "a customer call", "an insurance claim",
        "a school project", "a budget meeting", "a workshop", "a court hearing", "a product launch", "a site visit",
    ),
}  # fmt: skip

OPENERS = phrases("""
- {person} from {team} [needs|wants] this for {thing} on {day}.
- [I am|We are] preparing {thing} and one fact is still missing.
- Our colleague in {city} asked for a favour before {day}.
- The old laptop that {person} left behind is [being tidied|getting sorted out] this {month}.
- While [cleaning up|going through] a server in {city}, {person} came across something odd.
- This came up during {thing}, and nobody in {team} knew.
- A ticket from {team} has been open since {month}.
- {person} and {other} disagree, so please settle it.
- Yesterday's sync between {city} and {city2} [went wrong half way|stopped early].
- The {place} project changes hands next {month}, and {person} takes over.
- Before {person} leaves on {day}, one chore remains.
- As part of {thing}, {team} goes over everything we keep.
- My predecessor never wrote down how things are laid out here.
- [Somebody|A volunteer] in {city} is waiting for a quick reply.
- Disk space is [tight|short] and {team} wants to know where we stand.
- {person} typed up the notes in a hurry and now has doubts.
- For the {month} edition, {person} still needs a hand with the files.
- Nothing fancy today, just housekeeping for the {place} account.
- The intern, {person}, set this machine up last {month}.
- A script of {person}'s chokes on the current state of things.
- Here is a small job left over from {thing}.
- Due to {thing}, the {team} group asked us to look into this by {day}.
- I promised {person} to get this done before lunch.
- In {city} the night shift found this on the shared account.
- We moved from the {place} office in {month}, and some loose ends are left.
- Please help {person}, who has never used a terminal before.
- The {team} lead will check the outcome on {day} morning.
- There is a rehearsal of the disaster plan on {day}.
- Last {month} two of our systems were merged, which left traces.
- A customer from {city} complained, so {person} is investigating.
- {person} wrote: could someone with shell access take this off my hands?
- It is the end of {month} and the {team} books must close.
- Suppose you are on call for {team} and {person} pings you.
- The museum in {city} lent us its data for {thing}.
- To finish {thing}, {person} has one more request.
- Something for the {day} list.
- After the power cut in {city}, [we check every folder|the folders are being checked] one by one.
- Some students of {person}'s share this account since {month}.
- {other} is on holiday until {day}, so it falls to us.
- Every {month}, the {place} team goes through the same routine.
- This machine used to run the booking desk of a hotel in {city}.
- With {thing} ahead, {person} would like to be sure.
- Two people gave me different answers about the {place} data.
- A new rule from {team} takes effect in {month}.
- {person} maintains a little archive for the {place} club in {city}.
- We got a request by phone, from {person} in {city}.
- Imagine a quiet {day} afternoon in the {place} office.
- Thanks to {person}, the mess is smaller than it was, but not gone.
- The contractor who looked after the {place} machine is no longer reachable.
- Once {thing} is over, {person} will delete this account.
- Quick one for {team}.
- I inherited this home directory from {person}, of all people.
- {city} is asking again.
- Since {month} nobody has touched this, says {person}.
- You are helping the {team} desk with {thing}.
- Between {person}, {other} and me, nobody remembers.
""")

_NUMBER = phrases("""
- Answer with the number [only|alone].
- Give [just the|only the] number, in digits.
- [Reply with|Return] a single integer.
- The answer is one whole number; [no words are needed|leave out any words].
- Report it as a plain integer.
- What I need back is a bare figure.
- Digits only, please.
- Write the figure without any explanation.
- I expect exactly one number [as your answer|in return].
- A number will do.
- Tell me the figure and nothing else.
- Your answer should be an integer such as 17.
- Let me have the result as digits.
- Just state how many that makes, in figures.
- Finish by answering with the integer you found.
- No commentary, [simply|only] the count or sum.
""")
_NAME = phrases("""
- Answer with the name [only|alone].
- Give [just|only] the name, exactly as it is spelled there.
- The answer is a single name[| and nothing more].
- Reply with that one name, without quotes.
- A bare name is enough.
- Tell me what it is called, nothing else.
- I only need the name itself.
- Please state the name, spelled as on disk.
- Return the name, no path and no explanation.
- One name is all I am after.
- Let me have its name, letter for letter.
- Write only the name in your answer.
- Your answer should consist of the name.
- End with the name, please, in lower case as it stands.
""")
_LINE = phrases("""
- Answer with exactly that text.
- Give [the text|it] word for word.
- Quote it exactly, but without quotation marks.
- Reply with the text [alone|and nothing around it].
- The answer must match character by character.
- Copy it into your answer as it stands.
- I need the precise wording.
- Tell me literally what is there.
- Return it verbatim.
- Nothing but that text should be in the answer.
- Please do not paraphrase.
- Let me have it unchanged.
- Your answer should be that text and no more.
""")
_CHANGE = phrases("""
- Leave everything else [in there|in that folder] as it is.
- Nothing else may change.
- Do not touch anything besides that.
- All other files [must|have to] stay exactly as they are.
- Make no further changes, and leave no scratch files behind.
- Please keep the rest untouched.
- Beyond this the directory should look just as before.
- Take care not to alter [anything else|other files].
- No new files apart from what I asked for, please.
- Other content has to survive unharmed.
- Whatever is not mentioned stays put.
- Only do that; I will compare the folder afterwards.
- Everything not covered by this stays the way it is now.
- [I shall verify|Someone will verify] that nothing besides this was modified.
- Say when it is done, and do no more than this.
- Be careful: the remaining files are still in use.
""")
_CLOSERS = {"number": _NUMBER, "name": _NAME, "line": _LINE, "change": _CHANGE}
_ORDERS = ("ocf", "ocf", "ocf", "cof", "cfo")
"""Opener, core, form of the answer."""


def frame(core: str, kind: Kind, rng: random.Random) -> str:
    """Put a core sentence into a scenario and say which form the answer has."""
    opener = rng.choice(OPENERS)
    parts = {
        "o": opener.write(rng, _scenery(opener.slots, rng)),
        "c": core,
        "f": rng.choice(_CLOSERS[kind]).write(rng, {}),
    }
    return " ".join(parts[part] for part in rng.choice(_ORDERS))


def _scenery(slots: tuple[str, ...], rng: random.Random) -> dict[str, str]:
    drawn: dict[str, str] = {}
    for slot in slots:
        value = rng.choice(_WORDS[slot.rstrip("2")])
        while value in drawn.values():
            value = rng.choice(_WORDS[slot.rstrip("2")])
        drawn[slot] = value
    return drawn
