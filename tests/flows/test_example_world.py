"""The example world of docs/, as an installed package: found, tried by the suite, and built into a release.

Nothing of ours names it; a small endpoint plays its teacher, as a model would, from the words and tools it is sent.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "docs" / "example-world"
CONFIG = """
name = "shelf"
environments = ["shelf"]

[teacher]
kind = "openai"
name = "shelf"
generator = "m"
solver = "m"
backfiller = "m"
prices = { m = "free" }

[generate]
rounds = 2

[worlds.shelf]
requests = 6

[collect]
dialect = ["tools", "rounds"]

[general]
conversations = 60

[mixture]
eta = 0.5

[mixture.source_models]
offline-a = "gpt-4"
offline-b = "gpt-3.5"
"""
SYLLABLES = ("ba", "ko", "mi", "ru", "ze", "ta", "no", "li", "su", "pe")


def words(number: str, count: int) -> list[str]:
    """Draw words that no other number draws, so that each task is news."""
    digits = hashlib.sha256(number.encode()).hexdigest() * 4
    drawn = [SYLLABLES[int(digit, 16) % 10] for digit in digits]
    return ["".join(drawn[i * 4 : i * 4 + 4]) for i in range(count)]


def make_up(prompt: str) -> str:
    number = re.findall(r"the number (\d+)", prompt)[0]
    a, b, c, *note = words(number, 30)
    problem = f"Put the sum of {a} and {b} on the shelf as {c}. It is for {' '.join(note)}."
    return json.dumps({"problem": problem, "shelf": {a: 3, b: int(number)}, "puts": {c: 3 + int(number)}})


def solve(messages: list[dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    """Return the next tool and its arguments, from the task and what was seen last."""
    task, _, seen = messages[1]["content"].partition("\n\n")
    seen = messages[-1]["content"] if messages[-1]["role"] == "tool" else seen
    a, b, c = re.findall(r"sum of (\w+) and (\w+) on the shelf as (\w+)", task)[0]
    if not seen:
        return "look", {}
    if seen.startswith("{"):
        shelf = json.loads(seen)
        return "put", {"name": c, "value": shelf[a] + shelf[b]}
    return "done", {}


def answer(body: dict[str, Any]) -> dict[str, Any]:
    """Answer as an endpoint of the OpenAI protocol."""
    message: dict[str, Any] = {"role": "assistant", "content": "I look at what is there, then I go on."}
    if body.get("tools"):
        name, arguments = solve(body["messages"])
        call = {"name": name, "arguments": json.dumps(arguments)}
        message["tool_calls"] = [{"id": f"call_{len(body['messages'])}", "type": "function", "function": call}]
    elif "Make up a task" in body["messages"][-1]["content"]:
        message["content"] = make_up(body["messages"][-1]["content"])
    usage = {"prompt_tokens": 50, "completion_tokens": 20, "total_tokens": 70}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if "tool_calls" in message else "stop"}
    return {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}


@pytest.fixture
def endpoint() -> Iterator[str]:
    import threading
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.say({"object": "list", "data": [{"id": "m", "object": "model"}]})

        def do_POST(self) -> None:
            self.say(answer(json.loads(self.rfile.read(int(self.headers["Content-Length"])))))

        def say(self, what: dict[str, Any]) -> None:
            data = json.dumps(what).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """Lay the package out as an installer does: its files and its metadata, nothing else."""
    site = tmp_path / "site"
    shutil.copytree(EXAMPLE, site)
    announced = re.findall(r'^\[project.entry-points."(.*)"\]\n(.*)$', (EXAMPLE / "pyproject.toml").read_text(), re.M)
    info = site / "trajmill_shelf-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: trajmill-shelf\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text(
        "".join(f"[{group}]\n{line.replace(chr(34), '')}\n" for group, line in announced)
    )
    return site


def test_the_suite_of_worlds_tries_it_from_outside(installed: Path) -> None:
    environment = os.environ | {
        "PYTHONPATH": str(installed),
        "TRAJMILL_CONFORMANCE": f"shelf={installed / 'shelf_tasks.jsonl'}",
    }
    command = [sys.executable, "-m", "pytest", "-vv", str(ROOT / "tests" / "environments" / "conformance")]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout and "failed" not in done.stdout


@pytest.mark.slow
def test_it_is_built_into_a_release_in_two_dialects(
    installed: Path, endpoint: str, tmp_path: Path, trajmill: Callable[..., Any]
) -> None:
    config, home = tmp_path / "shelf.toml", tmp_path / "home"
    config.write_text(CONFIG)
    settings = {"PYTHONPATH": str(installed), "OPENAI_BASE_URL": endpoint, "OPENAI_API_KEY": "none"}
    built = trajmill("build", "--config", str(config), "--json", home=home, **settings)
    assert built.code == 0, built.err
    assert built.json["funnel"] == [
        {
            "world": "shelf",
            "proposed": 6,
            "admitted": 6,
            "attempted": 6,
            "passed": 6,
            "kept": built.json["funnel"][0]["kept"],
            "disputed": 0,
        }
    ]
    rows = trajmill(
        "sql",
        "SELECT dialect, count(*), count(DISTINCT episode_id) FROM trajectories GROUP BY 1 ORDER BY 1",
        "--json",
        home=home,
    ).json["rows"]
    of = {dialect: (count, episodes) for dialect, count, episodes in rows}
    assert of["rounds"][0] == 3 * of["rounds"][1] and of["tools"][0] == of["tools"][1]
    assert of["rounds"][1] + of["tools"][1] == 6
    release = Path(built.json["path"])
    table = pq.read_table(next((release / "data" / "messages").glob("*.parquet"))).to_pylist()
    agent = [row for row in table if row["environment"] == "shelf"]
    assert agent and all(json.loads(row["tools"])[0]["type"] == "function" for row in agent)
    assert all(row["messages"][-1]["tool_calls"] for row in agent)
    verified = trajmill("verify", "--sample", "6", "--json", home=home, **settings)
    assert verified.code == 0, verified.err
