"""Forty planted leaks of four kinds are all caught; clean thoughts, written and tricky ones, pass."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import prompts
from rehearsals.thoughts import write_thought
from tasks.curate.backfill_thoughts import hidden_results, later_plans
from tasks.curate.find_leaks import find_leak

if TYPE_CHECKING:
    from tests.small_build import Built, Played


@dataclass(frozen=True)
class Moment:
    """What a thought about one turn is held against."""

    visible: tuple[str, ...]
    action: str
    results: tuple[str, ...]
    plans: tuple[str, ...]
    prompt: str
    thought: str
    """The solver's own; "" where it had none."""

    def find(self, thought: str) -> str | None:
        return find_leak(thought, self.visible, self.action, self.results, self.plans)


def moments_of(played: Played) -> Iterator[Moment]:
    spec, turns, dialect = played.spec, played.turns, played.dialect
    for turn in turns:
        seen = dialect.visible(spec, turns[: turn.index], turn.observation)
        visible = [{"role": message.role, "content": message.spelled} for message in seen]
        action = dialect.write(turn.model_copy(update={"thought": None, "reasoning": None})).spelled
        prompt = prompts.load("backfill").render(visible=visible, action=action)
        results = tuple(hidden_results(spec, played.episode, turns, turn.index))
        plans = tuple(later_plans(turns, turn.index))
        yield Moment(tuple(m["content"] for m in visible), action, results, plans, prompt, turn.thought or "")


@pytest.fixture(scope="module")
def moments(built: Built) -> list[Moment]:
    right = [played for played in built.played if played.episode.verdict == "passed"]
    return [moment for played in right for moment in moments_of(played)]


NUMBERS = (
    "I expect {} to come out of this.",
    "The sum has to be {}, so this is the way to get it.",
    "There are {} of them, which I confirm now.",
    "Somewhere around {} entries should be left (the count is {}).",
    "I look for the row with {}.",
    "The result, {}, follows from this step",
    "My guess is exactly {}: I check it.",
    "Since it adds up to {} I only have to run this.",
    "I need to see the value {}%.",
    "[{}] is what I am after.",
)
QUOTES = (
    "I look for '{}' now.",
    'The name must be "{}", so I check it.',
    "`{}` is what this command should bring up.",
    "I search for “{}” in the output.",
    "It should print ‘{}’ at the end.",
    'I will read the lines until I meet "{}."',
    "Something called '{}', I suppose.",
    'Next comes "{}"; I prepare for it.',
    "I have to find out whether `{}` is there.",
    "This leads to '{}'!",
)
ROWS = (
    "I expect to read {} in a moment.",
    "The step after this one will be {}.",
    "I know that {} will follow, so I go on.",
    "That is because {}",
    "What comes next, {}, is what I need.",
    "Then I can go on with: {}.",
    "It is safe to assume {}!",
    "Later on I would use {} for that.",
    "First this, and then {} settles it.",
    "{}: that is what I want to see.",
)
SPOKEN = (
    "The reference solution lists the files first, so I do that.",
    "I was given this action as the solution, so I carry it out.",
    "The expected answer is known, I only need to reach it.",
    "According to the provided answer the count comes next.",
    "I've been told the correct answer and take this step towards it.",
    "This matches the gold query, which is why I run it.",
    "The action I was given is a listing, so that is what I do.",
    "The solution says to look here first.",
    "As the ground truth shows, the file is in this folder.",
    "Knowing the answer in advance, I can go straight to the last step.",
    "We were handed the final answer, so I only write it down.",
    "The answer key has it, so I look no further.",
    "I follow the reference and read the table.",
    "The next action shown is a query on the table.",
    "This query was given to me as the correct answer.",
    "Since I was provided with the correct SQL, I will run it.",
    "Based on the given action, I should query the table.",
    "The gold standard answer is a count.",
    "The solution provided suggests using find.",
    "I'm told that the next action is a query.",
    "Working backwards from the answer, I need this table.",
    "The intended solution is to count with wc.",
    "The answer given to me is a count.",
    "The prompt gives me the action, so I only explain it.",
    "I've seen the solution and it starts with this.",
)


def hidden_numbers(moment: Moment) -> list[str]:
    seen = set(re.findall(r"\d+", " ".join((*moment.visible, moment.action))))
    found = re.findall(r"(?<![\d.,])\d{2,}(?![\d.,])", " ".join(moment.results))
    return sorted(set(found) - seen)


def hidden_words(moment: Moment, length: int) -> list[str]:
    seen = " ".join(re.findall(r"[A-Za-z]+", " ".join((*moment.visible, moment.action)))).lower()
    rows = (text.split() for text in moment.results)
    found = {" ".join(words[i : i + length]) for words in rows for i in range(len(words) - length + 1)}
    plain = (text for text in found if re.fullmatch(r"[A-Za-z]{3,}(?: [A-Za-z]+)*", text))
    return sorted(text for text in plain if text.lower() not in seen)


def plant(moments: list[Moment], kind: str) -> list[tuple[Moment, str]]:
    """Put what is hidden into ten sentences, each about a turn of another episode."""
    dice = random.Random(kind)
    source = {"numbers": hidden_numbers, "quotes": lambda m: hidden_words(m, 1), "rows": lambda m: hidden_words(m, 4)}
    templates = {"numbers": NUMBERS, "quotes": QUOTES, "rows": ROWS}[kind]
    able = [moment for moment in moments if source[kind](moment)]
    chosen = dice.choices(able, k=len(templates))
    return [
        (moment, template.replace("{}", dice.choice(source[kind](moment))))
        for moment, template in zip(chosen, templates, strict=True)
    ]


@pytest.mark.parametrize(
    ("kind", "reason"), [("numbers", "the number"), ("quotes", "the quoted text"), ("rows", "the words")]
)
def test_ten_planted_leaks_of_a_kind_are_caught_by_name(moments: list[Moment], kind: str, reason: str) -> None:
    planted = plant(moments, kind)
    assert len(planted) >= 10
    for moment, thought in planted:
        found = moment.find(thought)
        assert found is not None, (thought, moment)
        assert found.startswith(reason) or kind == "rows", (thought, found)


def test_whoever_speaks_of_a_reference_or_given_answer_is_caught(moments: list[Moment]) -> None:
    for thought, moment in zip(SPOKEN, random.Random(1).sample(moments, len(SPOKEN)), strict=True):
        found = moment.find(thought)
        assert found is not None and found.startswith("speaks of a reference or given answer"), thought


def test_leaks_of_the_offline_teacher_are_caught(moments: list[Moment]) -> None:
    for number, moment in enumerate(moments[:100]):
        thought = write_thought(moment.prompt, random.Random(number), "leak")
        assert moment.find(thought) is not None, thought


def test_at_most_two_of_a_hundred_written_thoughts_are_false_alarms(moments: list[Moment]) -> None:
    written = [(m, write_thought(m.prompt, random.Random(i), None)) for i, m in enumerate(moments * 2)]
    alarms = [(thought, found) for moment, thought in written if (found := moment.find(thought))]
    assert len(written) >= 500
    assert len({thought for _, thought in written}) >= 100
    assert len(alarms) <= 0.02 * len(written), alarms


def test_at_most_two_of_a_hundred_of_the_solvers_own_thoughts_are_false_alarms(moments: list[Moment]) -> None:
    own = [moment for moment in moments if moment.thought]
    alarms = [(m.thought, found) for m in own if (found := m.find(m.thought))]
    assert len(own) >= 300
    assert len(alarms) <= 0.02 * len(own), alarms


TASK = (
    "How many of the 220 files under /var/log/app were changed after 2024-03-01? The answer should be a number. "
    "Don't count the archive 'old.tar.gz'."
)
LISTING = "total 48\n-rw-r--r-- 1 root root 1174 Mar  4 10:42 app.log\n-rw-r--r-- 1 root root 59 Mar  5 08:15 db.log"
SEEN = (TASK, LISTING, "find: '/var/log/app/lost': Permission denied\n37")
ACTION = "Act: bash\n\n```bash\nfind /var/log/app -newermt 2024-03-01 -type f ! -name 'old.tar.gz' | wc -l\n```"
RESULTS = ("83", "1709251200 /var/log/app/cron.log\n1709337600 /var/log/app/db.log", "83")
PLANS = ("find /var/log/app -type f -print0 | xargs -0 stat -c '%Y %n' | sort",)
CLEAN = (
    "The task speaks of 220 files, so I count them first.",
    "app.log has 1174 bytes, or 1,174 as one would write it.",
    "The answer should be a number.",
    "The expected answer is a number, so I let wc count.",
    "The expected answer format is a single integer.",
    "The expected answer should be a plain number.",
    "The answer is expected to be a number, not a list.",
    "This is what I expected.",
    "As expected, one folder could not be read.",
    "I don't know yet how many there are.",
    "It's the files' dates that matter, not the users' names.",
    "The folder's listing shows two logs; the archive's not among them.",
    "I leave out 'old.tar.gz' as the task says.",
    'I leave out "old.tar.gz" as asked.',
    "I pass `-newermt 2024-03-01` to find.",
    "The 4th and 5th of March are both after the 1st.",
    "find printed 37, but that cannot be all because of the denied folder.",
    "10:42 and 08:15 are the times that I see.",
    "I need to know the answer before I can report it.",
    "I do not have the answer yet.",
    "The answer is given by the number of lines.",
    "The answer is given as a count, so wc is right.",
    "The answer must be given in digits.",
    "It has to be given as the answer later on.",
    "I was told to give the answer as a number.",
    "I was asked for a number.",
    "I was given a task about log files.",
    "I have been given a folder to look at.",
    "The task gave me the path.",
    "The given path is absolute.",
    "Given the listing, find is the right tool.",
    "The provided path has a folder that I may not read.",
    "A solution could be to use find with -newermt.",
    "One solution is find, another would be stat.",
    "My solution so far leaves out the archive.",
    "The next action is to count.",
    "My next action counts the lines.",
    "The date in the task is the reference point for find.",
    "I use the date as a reference for the comparison.",
    "The rows refer to files; the reference column is the date.",
    "I match the name against the pattern.",
    "The command should follow the task word by word.",
    "I want to see the result before I answer.",
    "The result of this will be the answer.",
    "The official documentation of find explains -newermt.",
    "The hidden files count as well.",
    "I model the condition as a find expression.",
    "The known files are app.log and db.log.",
    "A golden rule is to look before one counts.",
    "Whatever comes out of this is my answer.",
    "Once I know the number I can answer with it.",
    "The number of files is what matters.",
    "That gives me one number, which is the answer I need.",
    "Two of the files are logs, 3 would be too many.",
    "I try 1, 2 or 3 levels deep.",
    "I run the command that the task hints at.",
    "No solution yet; the denied folder is a problem.",
    "I still have to find an answer that holds.",
    "'Permission denied' means that I cannot look into lost.",
    "I check the answer's form: a number, as the task wants.",
    "The output above is not yet complete, so I ask again.",
    "Both logs have 'root' as their owner.",
    "The query gives me the number that was asked for.",
    "This gives me the answer.",
    "The answer has to match the required form, a bare number.",
    "I answer with the number that find gave me.",
    "The given date is the first of March.",
    "The task tells me what to leave out.",
    "The task says that the archive does not count.",
    "A given file may be listed twice, so I sort them.",
    "The provided script may have a bug, so I read it.",
    "The query was given a limit so that the output stays short.",
    "I was shown two files in the listing.",
    "The command I ran was denied one folder.",
    "My first action was a listing, the next one counts.",
    "I want an answer based on the output, not on a guess.",
    "The output matches what the task describes.",
    "I take the value from the last row and answer.",
    "The reference to the folder is a symbolic link.",
    "To solve this I look at the dates.",
    "The action is simple: count the lines.",
    "With the answer in hand I can finish.",
    "I have seen the listing; now I need the count.",
    "The target folder is /var/log/app.",
    "The known problem is the denied folder.",
    "Now the answer is known: it is what wc printed.",
    "I must not give the answer as a sentence.",
    "I suggest to myself a simpler action first.",
    "The recorded times are those of the last change.",
    "The label of each row is its file name.",
)


def test_tricky_clean_thoughts_pass() -> None:
    assert len(CLEAN) >= 60
    alarms = {thought: found for thought in CLEAN if (found := find_leak(thought, SEEN, ACTION, RESULTS, PLANS))}
    assert alarms == {}


@pytest.mark.parametrize(
    "thought",
    [
        "There are 83.",
        "I expect 83.0 of them.",
        "The first is 1,709,251,200.",
        "1709337600 VAR LOG APP is next.",
        "I'd see 'cron.log' there.",
        "The file cron.log is not the one.",
    ],
)
def test_what_comes_later_is_found_in_other_spellings(thought: str) -> None:
    assert find_leak(thought, SEEN, ACTION, RESULTS, PLANS) is not None


@pytest.mark.parametrize(
    "thought",
    [
        "Then I use xargs and stat: print0 xargs 0 stat shows the times.",
        "find var log app -type f -print0 is next.",
        "I'd print '%Y %n' for each.",
        "Later `stat` tells the times.",
    ],
)
def test_a_command_that_comes_later_is_a_plan(thought: str) -> None:
    assert find_leak(thought, SEEN, ACTION, RESULTS, PLANS) is None


LABELLED = json.loads((Path(__file__).parents[2] / "fixtures" / "labelled_thoughts.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("label", "share"), [("honest", 0.01), ("leaks", 0.99)])
def test_of_labelled_thoughts_honest_ones_pass_and_leaks_are_found(label: str, share: float) -> None:
    thoughts = [(moment, thought) for moment in LABELLED for thought in moment[label]]
    found = [
        (thought, leak)
        for moment, thought in thoughts
        if (leak := find_leak(thought, moment["visible"], moment["action"], moment["results"], moment["plans"]))
    ]
    assert len(thoughts) >= 60
    assert len(found) <= share * len(thoughts) if label == "honest" else len(found) >= share * len(thoughts), found


@pytest.mark.parametrize(
    ("thought", "visible", "results"),
    [
        ("It is due on 2024-03-29, 28 days after 2024-03-01.", "lent on 2024-03-01 for 28 days", "2024-03-29"),
        ("Two weeks after 2024-03-01 is 2024-03-15, 14 days on.", "lent on 2024-03-01 for 14 days", "2024-03-15"),
        ("120 + 35 makes 155.", "120 and 35", "155"),
        ("A tenth more than 61.25 * 1.1 is 67.38.", "61.25, times 1.1", "67.38"),
        ("I look at the first 20 lines.", "a log", "20 lines"),
        ("A dozen or 12 or so will do.", "a log", "12 files"),
    ],
)
def test_what_follows_from_what_was_visible_is_no_leak(thought: str, visible: str, results: str) -> None:
    assert find_leak(thought, [visible], "ls", [results]) is None


@pytest.mark.parametrize(
    ("thought", "hidden"),
    [
        ("It is 1,174 in all.", "1174"),
        ("It is 1174 in all.", "1,174"),
        ("It costs 59.60.", "59.6"),
        ("10,20 and so on", "[10, 20, 30]"),
        ("the year 2031", "on 2031-04-05"),
        ("file12 is it", "file12"),
        ("'Tilda D'Angelo' it is", "Tilda D'Angelo"),
        ('The student got an "A".', "grade: A"),
        ("die Straße ist sehr lang", "Die Straße ist sehr lang."),
    ],
)
def test_numbers_quotes_and_words_are_the_same_however_written(thought: str, hidden: str) -> None:
    assert find_leak(thought, ["What is it?"], "Act: bash", [hidden]) is not None
    assert find_leak(thought, ["What is it?", hidden], "Act: bash", [hidden]) is None


def test_a_single_digit_that_nobody_claims_and_three_words_in_a_row_give_nothing_away() -> None:
    assert (
        find_leak("I look 7 levels deep at red green blue ones", ["Which?"], "ls", ["7", "red green blue black"])
        is None
    )
    assert find_leak("There are 7 of them", ["Which?"], "ls", ["7"]) is not None


def test_a_part_of_a_number_with_separators_is_no_number_of_its_own() -> None:
    assert find_leak("I saw 1,174 files.", ["1174 files"], "ls", ["174"]) is None


def test_words_about_an_answer_that_the_task_itself_uses_pass() -> None:
    task = "Compare sheet.txt with the answer key in key.txt."
    assert find_leak("I read the answer key first.", [task], "cat key.txt", []) is None
    assert find_leak("I read the answer key first.", ["Grade sheet.txt."], "cat key.txt", []) is not None


@example("AAA_", ["AAA"])
@given(st.text(), st.lists(st.text(), max_size=4))
def test_what_was_visible_is_no_leak_but_for_words_about_a_reference(thought: str, hidden: list[str]) -> None:
    found = find_leak(thought, [thought], "", hidden)
    assert found is None
