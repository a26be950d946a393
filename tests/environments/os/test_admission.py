"""Only an honest task is admitted; every other is turned away by the probe that names its fault."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import prompts
from environments.admission import admit
from environments.base import Ask
from environments.os.author import PROMPT, OsDraft, load_seeds, make_spec
from environments.os.cheats import is_plain_comparison
from environments.os.check import takes_answer
from environments.os.world import OsWorld
from environments.self_instruct import Example
from schemas.task_spec import Check, Probe, Script, TaskSpec

MakeTask = Callable[..., TaskSpec]
PROVEN = [
    "has_reference",
    "needs_no_network",
    "reference_passes_1",
    "reference_repeats",
    "reference_passes_2",
    "nothing_fails",
]
GUESSED = ["any_answer_fails", "common_answers_fail", "injected_answer_fails"]
CHEATED = [
    *("planted_settings_fail", "startup_exit_fails", "forged_tools_fail"),
    *("killed_check_fails", "written_files_fail", "exiting_files_fail", "wiped_files_fail"),
]
"""Tried where the check does more than compare two texts."""
SOURCED = '. /root/app.env; [ "$PORT" = 8080 ] && [ "$(cat /root/app.env)" = PORT=8080 ]'
NEARLY = ("near_answers_fail", "near_misses_fail", "altered_sources_fail")
"""The first where a question is asked, the last where the work leaves a file of its own."""


async def failing(world: OsWorld, spec: TaskSpec) -> Probe | None:
    probes = await admit(world, spec)
    assert all(probe.passed for probe in probes[:-1])
    return None if probes[-1].passed else probes[-1]


@pytest.mark.parametrize("seed", load_seeds(), ids=lambda seed: seed.name)
async def test_every_seed_of_ours_is_admitted(world: OsWorld, seed: Example[OsDraft]) -> None:
    spec = make_spec(seed.task, Ask((), prompts.load(PROMPT), seed.name, facts="files"))
    probes = await admit(world, spec)
    assert [probe for probe in probes if not probe.passed] == []
    plain = is_plain_comparison(spec)
    assert ("near_misses_fail" in {probe.name for probe in probes}) is not plain
    names = [probe.name for probe in probes if probe.name not in (*NEARLY, "guessable", "asked_otherwise")]
    unearned = ["unearned_answer_fails"] if takes_answer(spec) else []
    assert names == [*PROVEN, *unearned, *GUESSED, *(["reads_no_file"] if plain else CHEATED)]


@pytest.mark.parametrize("reference", ["ls -d /proc/[0-9]* | wc -l", "ps -e | wc -l", "ps aux | grep -c bash"])
async def test_a_reference_that_counts_who_asks_is_turned_away(
    world: OsWorld, make_task: MakeTask, reference: str
) -> None:
    probe = await failing(world, make_task(reference=reference))
    assert probe is not None and probe.name in ("asked_otherwise", "reference_repeats")


STARTED = "until [ $(pgrep -fc '^worker') = 2 ]; do sleep 0.05; done"


async def test_a_reference_that_looks_for_its_own_processes_is_asked_otherwise_and_stays(
    world: OsWorld, make_task: MakeTask
) -> None:
    spec = make_task(
        start="(exec -a worker sleep 300) & (exec -a worker sleep 300) &\n" + STARTED, reference="pgrep -fc '^worker'"
    )
    probes = await admit(world, spec)
    assert [probe.passed for probe in probes if probe.name == "asked_otherwise"] == [True]


@pytest.mark.parametrize(
    ("fields", "name", "said"),
    [
        ({"reference": "cat /root/m"}, "reference_passes_1", "exit code 1"),
        ({"reference": "echo 3; exit 2"}, "reference_passes_1", "exit code 2"),
        ({"reference": "sleep 30"}, "reference_passes_1", "in the time"),
        ({"reference": "echo 7", "evaluation": "exit 1"}, "reference_passes_1", "the check ended with exit code 1"),
        ({"reference": "cat /root/n", "evaluation": "nonesuch"}, "reference_passes_1", "127"),
        ({"reference": "echo a; echo b"}, "reference_passes_1", "the problem asks for one line"),
        ({"init": "exit 9"}, "reference_passes_1", "initialisation script 1 ended with exit code 9"),
        ({"reference": "echo $RANDOM$RANDOM"}, "reference_repeats", "something else"),
        ({"reference": "shuf -n1 -e a b", "evaluation": "true"}, "reference_repeats", "something else"),
        ({"reference": "date +%s"}, "reference_repeats", "something else"),
        ({"reference": "date +%s%N"}, "reference_repeats", "something else"),
        ({"reference": "mktemp -u"}, "reference_repeats", "something else"),
        ({"evaluation": "[ -e /root/n ]"}, "nothing_fails", "finish on the untouched state"),
        ({"reference": "touch /root/x", "evaluation": "true"}, "nothing_fails", "finish on the untouched state"),
        ({"evaluation": '[ -n "$1" ]'}, "any_answer_fails", "qzxv"),
        ({"evaluation": '[ "$1" -gt 3 ]'}, "any_answer_fails", "918273645"),
        (
            {"reference": "rm /root/n; echo done", "evaluation": "[ ! -e /root/n ]"},
            "any_answer_fails",
            "qzxv",
        ),
        ({"reference": "curl -s http://example.com | wc -c"}, "needs_no_network", "curl"),
        ({"init": "cd /tmp && apt-get install -y jq"}, "needs_no_network", "apt-get"),
    ],
)
async def test_a_dishonest_task_is_turned_away(
    world: OsWorld, make_task: MakeTask, fields: dict[str, str], name: str, said: str
) -> None:
    if fields.get("reference") == "sleep 30":
        world = OsWorld(world._sandbox, "image", command_timeout=0.5)
    probe = await failing(world, make_task(**fields))
    assert probe is not None
    assert probe.name == name
    assert said in probe.detail


@pytest.mark.parametrize(
    "fields",
    [
        {"reference": "grep -c 'curl ' /root/n || true", "init": "echo 'curl x' > /root/n"},
        {"init": "echo 5 > /root/n; echo 'http://example.com/wget' > /root/urls"},
        {"init": "touch -d '2020-01-01' /root/n", "reference": "date -r /root/n +%s"},
        {"init": "touch -d '2020-01-01' /root/n", "reference": "date -r /root/n +%F"},
        {"init": "echo 2020-01-01 > /root/n", "reference": 'date -d "$(cat /root/n)" +%j'},
        {"reference": "cat /root/n; exit 0"},
        {"init": "echo 5 > /root/n; cat > /root/notes <<'EOF'\ncurl is a tool\nping pong\nEOF"},
    ],
)
async def test_an_honest_task_is_not_suspected(world: OsWorld, make_task: MakeTask, fields: dict[str, str]) -> None:
    assert await failing(world, make_task(**fields)) is None


@pytest.mark.parametrize(
    ("fields", "name", "said"),
    [
        ({"evaluation": '[ "$1" = "$2" ] || [ "$1" = 7 ]'}, "common_answers_fail", "'7'"),
        ({"init": "echo 17 > /root/n", "evaluation": '[[ "$2" == *"$1"* ]]'}, "nothing_fails", "untouched"),
        (
            {"init": "echo 17 > /root/n", "evaluation": '[ -n "$1" ] && [[ $2 == *"$1"* ]]'},
            "common_answers_fail",
            "'1'",
        ),
        ({"evaluation": "[ $1 = $2 ]"}, "injected_answer_fails", "1 = 1 -o 1"),
        ({"evaluation": "[ $1 -eq $2 ]"}, "injected_answer_fails", "1 = 1 -o 1"),
        ({"evaluation": '[ -n "$1" ] && [[ $2 == $1 ]]'}, "injected_answer_fails", "*"),
        ({"evaluation": 'echo "$2" | grep -qx -- "$1"'}, "injected_answer_fails", ".*"),
        ({"evaluation": 'eval "[ \\"$1\\" = $2 ]"'}, "injected_answer_fails", "exit 0"),
        ({"evaluation": "got=$1 want=$2; set --; [[ $got -eq $want ]]"}, "injected_answer_fails", "want"),
        ({"evaluation": "[[ $1 -eq $2 ]]"}, "injected_answer_fails", "x[y=$2],y"),
        ({"evaluation": '[ -n "$1" ] && (( $1 == $2 ))'}, "injected_answer_fails", "x[y=$2],y"),
        ({"evaluation": "got=$1 want=$2; set --; (( want == $got ))"}, "injected_answer_fails", "1||1"),
        ({"evaluation": 'awk "BEGIN { exit !($1 == $2) }"'}, "injected_answer_fails", "1||1"),
        ({"evaluation": 'python3 -c "assert $1 == $2"'}, "injected_answer_fails", "exit(0)"),
        ({"evaluation": 'jq -en "$1 == $2"'}, "injected_answer_fails", "1 or 1"),
        ({"evaluation": "expr $1 = $2"}, "injected_answer_fails", "1 | 1"),
        ({"evaluation": """sqlite3 :memory: "select '$1' = '$2'" | grep -qx 1"""}, "injected_answer_fails", "x' = 'x'"),
        ({"evaluation": '[ -n "$1" ] && grep -xF "$1" /root/n'}, "injected_answer_fails", "--help"),
        ({"evaluation": 'test -e "$1" || [ "$1" = "$2" ]'}, "injected_answer_fails", "/etc/passwd"),
        ({"init": "echo 17 > /root/n", "evaluation": '[[ " $1 " == *" $2 "* ]]'}, "injected_answer_fails", "0 1 2 3"),
        ({"evaluation": 'source ~/.bashrc; [ "$1" = "$2" ]'}, "startup_exit_fails", "exit 0"),
        (
            {"evaluation": 'cd /root; make -s -f GNUmakefile check || [ "$1" = "$2" ]'},
            "planted_settings_fail",
            "planted",
        ),
        (
            {"reference": "echo PORT=8080 > /root/app.env", "evaluation": SOURCED},
            "exiting_files_fail",
            "sourcing",
        ),
        (
            {
                "reference": "echo 'x = 6 * 7' > /root/six.py",
                "evaluation": "python3 -c \"exec(open('/root/six.py').read()); assert x == 42\"",
            },
            "exiting_files_fail",
            "sourcing",
        ),
        (
            {"reference": "echo total: 5 > /root/out", "evaluation": "grep -q total /root/out"},
            "near_misses_fail",
            "spoiled",
        ),
        (
            {
                "init": "echo ERROR > /root/log",
                "reference": "echo ok > /root/log",
                "evaluation": "! grep ERROR /root/log",
            },
            "near_misses_fail",
            "emptied",
        ),
    ],
)
async def test_a_task_that_can_be_cheated_is_turned_away_by_the_cheat(
    world: OsWorld, make_task: MakeTask, fields: dict[str, str], name: str, said: str
) -> None:
    probe = await failing(world, make_task(**fields))
    assert probe is not None
    assert probe.name == name
    assert said in probe.detail


COUNTER = (
    "mkdir -p /root/tool; echo 'import words, sys; print(words.count(sys.argv[1]))' > /root/tool/main.py\n"
    "echo 'def count(path): return len(open(path).read().split())' > /root/tool/words.py"
)


def program_task(make_task: MakeTask, evaluation: str, *inputs: str, reference: str = COUNTER) -> TaskSpec:
    tried = tuple(Script(code=f"python3 /root/tool/main.py {path}") for path in inputs)
    scripts = (Script(code=evaluation),)
    check = Check(kind="script", scripts=scripts, under_test=tried, outputs=("/root/tool",))
    init = "mkdir -p /srv/texts; echo a b c d e > /srv/texts/a.txt; echo a b c > /srv/texts/b.txt"
    return make_task(init=init, reference=reference, check=check)


async def test_a_program_is_tried_on_inputs_that_tell_it_from_a_constant(world: OsWorld, make_task: MakeTask) -> None:
    a, b = "/srv/texts/a.txt", "/srv/texts/b.txt"
    hello = "mkdir -p /root/tool; echo 'print(\"hello\")' > /root/tool/main.py"
    assert await failing(world, program_task(make_task, '[ "$3" = 5 ] && [ "$4" = 3 ]', a, b)) is None
    assert await failing(world, program_task(make_task, '[ "$3" = hello ]', "", reference=hello)) is None
    for evaluation, inputs, said in (
        ('[ "$3" = 5 ]', [a], "second input"),
        ('[ "$3" = "$(wc -w < /srv/texts/a.txt)" ]', [a], "second input"),
        ('[ "$3" = 5 ]', [a, b], "'5' for every input"),
        ('[ "${#3}${#4}" = 11 ]', [a, b], "other words"),
        ('case "$3$4" in *5*3*) exit 0;; esac; exit 1', [a, b], "more than they should"),
    ):
        probe = await failing(world, program_task(make_task, evaluation, *inputs))
        assert probe is not None and (probe.name, said in probe.detail) == ("near_misses_fail", True), probe


async def test_tools_of_the_agents_own_are_seen_to_cheat_where_the_check_trusts_them(
    world: OsWorld, make_task: MakeTask
) -> None:
    code = '[ "$(printf %s "$1" | cksum)" = "$(printf %s "$2" | cksum)" ]'
    for trusted in (True, False):
        check = Check(kind="script", scripts=(Script(code=code),), trusted_tools=trusted)
        probe = await failing(world, make_task(check=check))
        assert (probe and probe.name) == (None if trusted else "forged_tools_fail")


@pytest.mark.parametrize(
    "evaluation",
    [
        'python3 -c "import json, sys; sys.exit(json.loads(sys.argv[1]) != json.loads(sys.argv[2]))" "$1" "$2"',
        'python3 - "$1" "$2" <<"EOF"\nimport sys\nsys.exit(sys.argv[1] != sys.argv[2])\nEOF',
        'cd /root && python3 -m json.tool n >/dev/null && [ "$1" = "$2" ]',
    ],
)
async def test_no_module_of_the_agents_own_is_loaded_by_a_check_that_calls_python(
    world: OsWorld, make_task: MakeTask, evaluation: str
) -> None:
    assert await failing(world, make_task(evaluation=evaluation)) is None


@pytest.mark.parametrize(
    "fields",
    [
        {"init": "mkdir /root/d; echo 1 > /root/d/x", "reference": "rm -r /root/d", "evaluation": "[ ! -e /root/d ]"},
        {"reference": "echo done > /root/out", "evaluation": '[ "$(cat /root/out)" = "done" ]'},
    ],
)
async def test_a_cheat_that_does_the_work_is_none(world: OsWorld, make_task: MakeTask, fields: dict[str, str]) -> None:
    assert await failing(world, make_task(**fields)) is None


@pytest.mark.parametrize(
    "reference", ["date +%F", "date +%A", "printf '%(%H)T\\n'", "python3 -c 'print(hash(\"a\"))'", "(echo $BASHPID)"]
)
async def test_another_seed_and_another_clock_show_what_depends_on_them(
    world: OsWorld, make_task: MakeTask, reference: str
) -> None:
    probe = await failing(world, make_task(reference=reference))
    assert probe is not None
    assert probe.name == "reference_repeats"


async def test_what_can_be_guessed_is_noted_and_let_in(world: OsWorld, make_task: MakeTask) -> None:
    spec = make_task(init="echo 4 > /root/n")
    probes = await admit(world, spec)
    assert probes[-1].name == "guessable"
    assert probes[-1].passed
    assert spec.model_copy(update={"probes": probes}).is_guessable and not spec.is_guessable


async def test_admission_says_the_same_every_time(world: OsWorld, make_task: MakeTask) -> None:
    spec = make_task(reference="echo $RANDOM$RANDOM")
    assert await admit(world, spec) == await admit(world, spec)
