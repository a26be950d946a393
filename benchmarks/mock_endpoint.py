"""A chat-completions endpoint of known habits, in a process of its own: what clients are measured against.

Raw asyncio on one thread, about 0.1 ms a request, so that it is not what is measured. Prompts hold the words `row 17`;
what does not is a client's own probe, answered and counted apart. Every draw hangs on the seed, the prompt and how
often that prompt has come, never on order: all clients meet the same luck. Modes:

    clean   every answer after the same latency
    err     5 % are refused with 429 and `retry-after: 1`, 5 % fail with 500, after the same latency
    cap     above 150 answers begun in any second it refuses at once with 429, and no header says why
    hang    10 % of the sockets never answer
    usage   bills a token a byte of the prompt, and every token of its `max_tokens`

    python benchmarks/mock_endpoint.py --port 8901 --mode err --seed 3 --latency 0.2
    curl 'http://127.0.0.1:8901/stats'; curl 'http://127.0.0.1:8901/reset?mode=cap&per_second=150&latency=0.2'
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import hashlib
import json
import re
import subprocess
import sys
import time
import urllib.request
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, get_args
from urllib.parse import parse_qsl, urlencode

Mode = Literal["clean", "err", "cap", "hang", "usage"]
Fate = Literal["answer", "refuse", "fail", "hang"]

_PROMPT = re.compile(rb"row (\d+)")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_LIMIT = re.compile(rb'"max_(?:completion_)?tokens": ?(\d+)')
_MESSAGE_TOKENS = 4
"""What wraps a message where prompts are billed by the byte."""
_REPLY_TOKENS = 7
RETRY_AFTER_SECONDS = 1


@dataclass(frozen=True)
class Habits:
    """How the endpoint behaves until the next reset."""

    mode: Mode = "clean"
    latency: float = 0.2
    """Seconds from a request to its answer."""
    seed: int = 0
    refused: float = 0.05
    """Share of 429s in mode err."""
    failed: float = 0.05
    """Share of 500s in mode err."""
    hung: float = 0.1
    """Share of sockets that never answer in mode hang."""
    per_second: int = 150
    """Answers begun in any second in mode cap; what was refused does not count."""

    def changed(self, query: str) -> Habits:
        """Return these habits with what a query string says.

        Raises:
            ValueError: unknown mode or name, or no number.
        """
        said = dict(parse_qsl(query))
        if said.get("mode", self.mode) not in get_args(Mode):
            raise ValueError(f"no mode {said['mode']!r}; allowed are {', '.join(get_args(Mode))}")
        unknown = sorted(set(said) - set(asdict(self)))
        if unknown:
            raise ValueError(f"no setting {', '.join(unknown)}; allowed are {', '.join(asdict(self))}")
        return replace(self, **{name: type(getattr(self, name))(value) for name, value in said.items()})


@dataclass
class Run:
    """What came in since the last reset."""

    habits: Habits
    probes: int = 0
    """Requests that name no row; in no other count."""
    requests: int = 0
    refused: int = 0
    failed: int = 0
    hung: int = 0
    answered: int = 0
    """Answers that were written to a socket still open."""
    billed_prompt_tokens: int = 0
    billed_completion_tokens: int = 0
    """Billed as soon as the answer is begun, whether anyone waits for it or not."""
    in_flight: int = 0
    most_in_flight: int = 0
    first: float = 0.0
    last: float = 0.0
    """When the first request came and the last answer of any kind went, in seconds of `time.time()`."""
    longest_hang: float = 0.0
    """Seconds that a client waited for a socket that never answers."""
    arrivals: Counter[bytes] = field(default_factory=Counter)
    begun: Counter[bytes] = field(default_factory=Counter)
    """Answers begun, by prompt: what is paid."""
    seconds: Counter[int] = field(default_factory=Counter)
    window: deque[float] = field(default_factory=deque)
    """When the answers of the last second were begun."""
    clock: Callable[[], float] = time.monotonic
    cpu_before: float = field(default_factory=time.process_time)

    def arrive(self, prompt: bytes) -> Fate:
        """Count a request and decide what becomes of it."""
        now = time.time()
        self.first = self.first or now
        self.seconds[int(now - self.first)] += 1
        self.requests += 1
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        self.arrivals[prompt] += 1
        return self._decide(prompt)

    def bill(self, prompt: bytes, body: bytes) -> tuple[int, int]:
        """Return prompt and completion tokens of an answer that is begun now."""
        prompt_tokens, completion_tokens = _spend(body) if self.habits.mode == "usage" else (len(prompt), _REPLY_TOKENS)
        self.begun[prompt] += 1
        self.billed_prompt_tokens += prompt_tokens
        self.billed_completion_tokens += completion_tokens
        return prompt_tokens, completion_tokens

    def leave(self) -> None:
        """Count that a request is no longer open."""
        self.in_flight -= 1
        self.last = time.time()

    def stats(self) -> dict[str, Any]:
        """Return everything that is counted, as JSON takes it."""
        kept = {name: value for name, value in vars(self).items() if isinstance(value, int | float)}
        del kept["cpu_before"]
        return kept | {
            "habits": asdict(self.habits),
            "prompts": len(self.arrivals),
            "prompts_begun": len(self.begun),
            "paid_again": self.begun.total() - len(self.begun),
            "most_arrivals": max(self.arrivals.values(), default=0),
            "span": max(self.last - self.first, 0.0),
            "seconds": [self.seconds[second] for second in range(max(self.seconds, default=-1) + 1)],
            "cpu_seconds": time.process_time() - self.cpu_before,
        }

    def _decide(self, prompt: bytes) -> Fate:
        habits = self.habits
        if habits.mode == "cap":
            return "answer" if self._has_room() else "refuse"
        if habits.mode == "hang":
            return "hang" if self._draw(prompt) < habits.hung else "answer"
        if habits.mode == "err":
            drawn = self._draw(prompt)
            return (
                "refuse" if drawn < habits.refused else "fail" if drawn < habits.refused + habits.failed else "answer"
            )
        return "answer"

    def _has_room(self) -> bool:
        now = self.clock()
        while self.window and self.window[0] <= now - 1:
            self.window.popleft()
        if len(self.window) >= self.habits.per_second:
            return False
        self.window.append(now)
        return True

    def _draw(self, prompt: bytes) -> float:
        return draw(self.habits.seed, prompt, self.arrivals[prompt])


def draw(seed: int, prompt: bytes, attempt: int) -> float:
    """Return the luck of an attempt at a prompt, in [0, 1); the first attempt is 1."""
    named = b"%d %b %d" % (seed, prompt, attempt)
    return int.from_bytes(hashlib.blake2b(named, digest_size=8).digest()) / 2**64


class Endpoint:
    """The run that new requests belong to."""

    def __init__(self, habits: Habits) -> None:
        self.run = Run(habits)

    def control(self, target: str) -> tuple[int, dict[str, Any]]:
        """Answer a GET: stats, a reset, the list of models."""
        path, _, query = target.partition("?")
        if path == "/stats":
            return 200, self.run.stats()
        if path == "/reset":
            try:
                self.run = Run(self.run.habits.changed(query))
            except ValueError as error:
                return 400, {"error": {"message": str(error)}}
            return 200, asdict(self.run.habits)
        if path.endswith("/models"):
            return 200, {"object": "list", "data": [{"id": "m", "object": "model", "created": 0, "owned_by": "mock"}]}
        return 404, {
            "error": {"message": f"no {path} here; there are /v1/chat/completions, /v1/models, /stats, /reset"}
        }


class Connection(asyncio.Protocol):
    """One keep-alive connection; a client sends its next request after the answer."""

    def __init__(self, endpoint: Endpoint, loop: asyncio.AbstractEventLoop) -> None:
        self._endpoint = endpoint
        self._loop = loop
        self._received = b""
        self._transport: asyncio.Transport | None = None
        self._open: Run | None = None
        self._hung_since: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, blank, rest = self._received.partition(b"\r\n\r\n")
        said = _LENGTH.search(head)
        length = int(said[1]) if said else 0
        if blank and len(rest) >= length:
            self._received = rest[length:]
            self._handle(head, rest[:length])

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        if self._hung_since is not None and self._open:
            self._open.longest_hang = max(self._open.longest_hang, self._loop.time() - self._hung_since)
            self._leave()

    def _handle(self, head: bytes, body: bytes) -> None:
        verb, target, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
        if verb != "POST" or not target.endswith("/chat/completions"):
            self._write(*self._endpoint.control(target))
            return
        run = self._endpoint.run
        found = _PROMPT.search(body)
        if not found:
            run.probes += 1
            self._loop.call_later(run.habits.latency, self._send, 200, _completion(1, _REPLY_TOKENS))
            return
        self._open, prompt = run, found[1]
        fate = run.arrive(prompt)
        if fate == "hang":
            run.hung += 1
            self._hung_since = self._loop.time()
        elif fate == "refuse" and run.habits.mode == "cap":
            self._reply(fate, (0, 0))
        else:
            self._loop.call_later(
                run.habits.latency, self._reply, fate, run.bill(prompt, body) if fate == "answer" else (0, 0)
            )

    def _reply(self, fate: Fate, tokens: tuple[int, int]) -> None:
        run = self._open
        assert run is not None
        if fate == "refuse":
            run.refused += 1
            hint = b"" if run.habits.mode == "cap" else b"retry-after: %d\r\n" % RETRY_AFTER_SECONDS
            self._write(429, {"error": {"message": "Rate limit reached", "code": "rate_limit_exceeded"}}, hint)
        elif fate == "fail":
            run.failed += 1
            self._write(500, {"error": {"message": "The server had an error", "type": "server_error"}})
        else:
            run.answered += self._transport is not None
            self._send(200, _completion(*tokens))
        self._leave()

    def _leave(self) -> None:
        if self._open:
            self._open.leave()
        self._open = None

    def _write(self, status: int, payload: dict[str, Any], headers: bytes = b"") -> None:
        self._send(status, json.dumps(payload).encode(), headers)

    def _send(self, status: int, body: bytes, headers: bytes = b"") -> None:
        if self._transport is None:
            return
        head = b"HTTP/1.1 %d -\r\ncontent-type: application/json\r\n%bcontent-length: %d\r\n\r\n"
        self._transport.write(head % (status, headers, len(body)) + body)


class Mock:
    """The endpoint's process, seen from outside."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.url = f"{root}/v1"
        """What OPENAI_BASE_URL takes."""

    def reset(self, **habits: Any) -> None:
        """Forget the counts and take these habits over the present ones; see `Habits`."""
        self._get(f"/reset?{urlencode(habits)}")

    def stats(self) -> dict[str, Any]:
        """Return the counts since the last reset; see `Run`."""
        return self._get("/stats")

    def _get(self, path: str) -> dict[str, Any]:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(self.root + path, timeout=10) as answer:
            found: dict[str, Any] = json.loads(answer.read())
            return found


@contextlib.contextmanager
def started(**habits: Any) -> Iterator[Mock]:
    """Run the endpoint in a process of its own on a free port of 127.0.0.1 for as long as the block lasts."""
    process = subprocess.Popen([sys.executable, __file__], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        mock = Mock(process.stdout.readline().strip().removesuffix("/v1"))
        mock.reset(**habits)
        yield mock
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def _spend(body: bytes) -> tuple[int, int]:
    """Bill as dearly as a request allows: a token a byte of the prompt, and all of its maximum."""
    said = json.loads(body)
    prompt = sum(len(str(message["content"]).encode()) + _MESSAGE_TOKENS for message in said["messages"])
    limit = _LIMIT.search(body)
    return prompt, int(limit[1]) if limit else 4096


def _completion(prompt_tokens: int, completion_tokens: int) -> bytes:
    usage = (prompt_tokens, completion_tokens, prompt_tokens + completion_tokens)
    return (
        b'{"id":"chatcmpl-mock","object":"chat.completion","created":0,"model":"m","choices":[{"index":0,"message":'
        b'{"role":"assistant","content":"A short answer."},"finish_reason":"stop"}],'
        b'"usage":{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d}}' % usage
    )


async def serve(port: int, habits: Habits) -> None:
    """Listen on a port of 127.0.0.1 (0 = a free one), print the base URL, and serve until ended."""
    loop = asyncio.get_running_loop()
    endpoint = Endpoint(habits)
    server = await loop.create_server(lambda: Connection(endpoint, loop), "127.0.0.1", port, backlog=1024)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await server.serve_forever()


def main() -> None:
    """Serve with the habits of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    for name, value in asdict(Habits()).items():
        choices = get_args(Mode) if name == "mode" else None
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value, choices=choices)
    chosen = vars(parser.parse_args())
    gc.disable()  # a collection would be a pause in everyone's latency; nothing here makes cycles
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(chosen.pop("port"), Habits(**chosen)))


if __name__ == "__main__":
    main()
