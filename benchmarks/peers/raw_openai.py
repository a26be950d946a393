"""The bare openai client: `chat.completions.create` with its own retries, on aiohttp or on its default transport.

python -P benchmarks/peers/raw_openai.py URL ROWS IN_FLIGHT FOLDER [aiohttp | httpx]
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterator

from openai import AsyncOpenAI, DefaultAioHttpClient

from benchmarks.peers.measured import cpu_seconds, peak_rss_mb

ATTEMPTS = 10


async def main(url: str, rows: int, in_flight: int, transport: str) -> None:
    """Ask every row; nothing is kept."""
    own = {"http_client": DefaultAioHttpClient()} if transport == "aiohttp" else {}
    left, replies = iter(range(rows)), dict[int, str | None]()
    async with AsyncOpenAI(api_key="none", base_url=url, max_retries=ATTEMPTS - 1, **own) as client:
        cpu, began = cpu_seconds(), time.monotonic()
        await asyncio.gather(*(ask_all(client, left, replies) for _ in range(in_flight)))
        cpu = cpu_seconds() - cpu
    print(
        json.dumps(
            {
                "answered": len(replies),
                "rows": len(replies),
                "seconds": time.monotonic() - began,
                "sending_cpu_seconds": cpu,
                "peak_rss_mb": peak_rss_mb(),
            }
        )
    )


async def ask_all(client: AsyncOpenAI, rows: Iterator[int], replies: dict[int, str | None]) -> None:
    """Ask row after row."""
    for row in rows:
        answer = await client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": f"row {row}"}], max_tokens=50
        )
        replies[row] = answer.choices[0].message.content


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[5]))
