"""Only an honest task is admitted; every other is turned away by the probe that names its fault."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from environments.os.generation import load_seeds, make_spec
from environments.os.world import OsHome
from schemas.task_spec import Probe, Provenance, TaskSpec

MakeTask = Callable[..., TaskSpec]
ALL = [
    "needs_no_network",
    "reference_passes_1",
    "reference_passes_2",
    "reference_repeats",
    "nothing_fails",
    "any_answer_fails",
]


async def failing(home: OsHome, spec: TaskSpec) -> Probe | None:
    probes = await home.admit(spec)
    assert all(probe.passed for probe in probes[:-1])
    return None if probes[-1].passed else probes[-1]


@pytest.mark.parametrize("seed", load_seeds(), ids=lambda seed: seed.name)
async def test_every_seed_of_ours_is_admitted(home: OsHome, seed: object) -> None:
    spec = make_spec(seed.task, topic="files", parents=(), provenance=Provenance(source=seed.name))  # type: ignore[attr-defined]
    probes = await home.admit(spec)
    assert [probe for probe in probes if not probe.passed] == []
    assert [probe.name for probe in probes][:6] == ALL


@pytest.mark.parametrize(
    ("fields", "name", "said"),
    [
        ({"reference": "cat /root/m"}, "reference_passes_1", "exit code 1"),
        ({"reference": "echo 3; exit 2"}, "reference_passes_1", "exit code 2"),
        ({"reference": "sleep 30"}, "reference_passes_1", "in the time"),
        ({"reference": "echo 7", "evaluation": "exit 1"}, "reference_passes_1", "the check ended with exit code 1"),
        ({"reference": "cat /root/n", "evaluation": "nonesuch"}, "reference_passes_1", "127"),
        ({"reference": "echo a; echo b"}, "reference_passes_1", "no action can carry"),
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
    home: OsHome, make_task: MakeTask, fields: dict[str, str], name: str, said: str
) -> None:
    if fields.get("reference") == "sleep 30":
        home = OsHome(home._sandbox, "image", command_timeout=0.5)
    probe = await failing(home, make_task(**fields))
    assert probe is not None
    assert probe.name == name
    assert said in probe.detail


@pytest.mark.parametrize(
    "fields",
    [
        {"reference": "grep -c 'curl ' /root/n || true", "init": "echo 'curl x' > /root/n"},
        {"init": "echo 5 > /root/n; echo 'http://example.com/wget' > /root/urls"},
        {"init": "touch -d '2020-01-01' /root/n", "reference": "date -r /root/n +%s"},
        {"reference": "cat /root/n; exit 0"},
        {"init": "echo 5 > /root/n; cat > /root/notes <<'EOF'\ncurl is a tool\nping pong\nEOF"},
    ],
)
async def test_an_honest_task_is_not_suspected(home: OsHome, make_task: MakeTask, fields: dict[str, str]) -> None:
    assert await failing(home, make_task(**fields)) is None


async def test_what_can_be_guessed_is_noted_and_let_in(home: OsHome, make_task: MakeTask) -> None:
    probes = await home.admit(make_task(init="echo 4 > /root/n"))
    assert probes[-1].name == "guessable"
    assert probes[-1].passed


async def test_admission_says_the_same_every_time(home: OsHome, make_task: MakeTask) -> None:
    spec = make_task(reference="echo $RANDOM$RANDOM")
    assert await home.admit(spec) == await home.admit(spec)
