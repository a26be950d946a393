"""Plays a game in the real engine, for whoever asks on standard input: run by a Python that has textworld and alfworld.

A line of JSON in, one out. `{"problem": PDDL, "grammar": "put" | "move", "task": sentence}` or `{"file": path}` loads
a game; `{"commands": [...]}` plays on. What comes back of each state: feedback, the admissible commands, whether it is
won, and the CPU seconds that it took. With `--remember` it parses each text once, which changes nothing but its speed:
the engine parses its grammar anew for every command that it lists.
"""

import copy
import functools
import json
import sys
import time
from pathlib import Path

import alfworld.info
from alfworld.agents.environment.alfred_tw_env import AlfredDemangler
from textworld.core import EnvInfos
from textworld.envs.pddl import PddlEnv, textgen
from textworld.logic import Rule

OLD = (
    ("move {o} to {r}", "put {o} in/on {r}"),
    ("You move the {o.name} to the {r.name}.", "You put the {o.name} in/on the {r.name}."),
    ("You arrive at {r.name}.", "You arrive at {lend.name}."),
)
"""What the games up to 2.1.1 say otherwise; they have no `help` either."""


def game_of(asked):
    """Return a game's data as its file would hold them."""
    if "file" in asked:
        return json.loads(Path(asked["file"]).read_text(encoding="utf-8"))
    domain = Path(alfworld.info.ALFRED_PDDL_PATH).read_text(encoding="utf-8")
    grammar = Path(alfworld.info.ALFRED_TWL2_PATH).read_text(encoding="utf-8").replace("UNKNOWN GOAL", asked["task"])
    if asked["grammar"] == "put":
        for new, old in OLD:
            grammar = grammar.replace(new, old)
        grammar = grammar[: grammar.index("action help {")]
        domain = domain[: domain.index("(:action help")] + ")"
    return {"pddl_domain": domain, "grammar": grammar, "pddl_problem": asked["problem"], "solvable": True}


def told(state, seconds):
    """Return what is compared of a state."""
    return {
        "feedback": state.feedback,
        "admissible": state["admissible_commands"],
        "won": bool(state["won"]),
        "seconds": seconds,
    }


def remember():
    """Let the engine parse each text once, and copy contexts without the entities in them, which nothing changes."""
    parse = functools.cache(textgen._parse_and_convert)
    textgen._parse_and_convert = lambda text, **how: copy.deepcopy(parse(text, **how))
    textgen.copy_context = lambda context: {
        **context,
        "variables": dict(context["variables"]),
        "mapping": dict(context["mapping"]),
    }
    Rule.parse_conjunctive_query = functools.cache(Rule.parse_conjunctive_query)


def main():
    """Answer until standard input ends."""
    if "--remember" in sys.argv:
        remember()
    environment = AlfredDemangler()(PddlEnv(EnvInfos(won=True, admissible_commands=True)))
    for line in sys.stdin:
        asked = json.loads(line)
        started = time.process_time()
        if "commands" in asked:
            states = []
            for command in asked["commands"]:
                state, _, _ = environment.step(command)
                states.append(told(state, time.process_time() - started))
                started = time.process_time()
            print(json.dumps(states), flush=True)
        else:
            environment.load(game_of(asked))
            print(json.dumps(told(environment.reset(), time.process_time() - started)), flush=True)


main()
