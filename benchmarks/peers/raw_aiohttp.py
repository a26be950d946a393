"""The floor: an aiohttp loop with retries and a JSONL file for answers, as people write it.

python -P benchmarks/peers/raw_aiohttp.py URL ROWS IN_FLIGHT FOLDER
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import aiohttp

from benchmarks.peers.measured import cpu_seconds, peak_rss_mb

ATTEMPTS = 10


async def main(url: str, rows: int, in_flight: int, folder: Path) -> None:
    """Ask what the file does not have."""
    path = folder / "answers.jsonl"
    done = {json.loads(line)["row"] for line in path.read_text().splitlines()} if path.exists() else set()
    left = iter([row for row in range(rows) if row not in done])
    connector = aiohttp.TCPConnector(limit=0)
    cpu, began = cpu_seconds(), time.monotonic()
    with path.open("a") as file:
        async with aiohttp.ClientSession(connector=connector) as session:
            await asyncio.gather(*(ask_all(session, url, left, file) for _ in range(in_flight)))
    cpu = cpu_seconds() - cpu
    kept = [json.loads(line)["row"] for line in path.read_text().splitlines()]
    print(
        json.dumps(
            {
                "answered": len(kept),
                "rows": len(set(kept)),
                "seconds": time.monotonic() - began,
                "sending_cpu_seconds": cpu,
                "peak_rss_mb": peak_rss_mb(),
            }
        )
    )


async def ask_all(session: aiohttp.ClientSession, url: str, rows: Iterator[int], file: TextIO) -> None:
    """Ask row after row."""
    for row in rows:
        reply = await ask(session, url, row)
        file.write(json.dumps({"row": row, "reply": reply}) + "\n")
        file.flush()


async def ask(session: aiohttp.ClientSession, url: str, row: int) -> str:
    """Ask one row, again after a refusal: as long as it was told, else ever longer."""
    body = {"model": "m", "messages": [{"role": "user", "content": f"row {row}"}], "max_tokens": 50}
    for attempt in range(ATTEMPTS):
        async with session.post(f"{url}/chat/completions", json=body) as answer:
            if answer.status == 200:
                return str((await answer.json())["choices"][0]["message"]["content"])
            asked = answer.headers.get("retry-after")
        await asyncio.sleep(float(asked) if asked else min(8.0, 0.5 * 2**attempt) * random.uniform(0.75, 1))
    raise RuntimeError(f"row {row} was refused {ATTEMPTS} times")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])))
