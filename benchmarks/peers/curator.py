"""bespokelabs-curator: its own openai backend, requests and tokens a minute set out of the way.

python -P benchmarks/peers/curator.py URL ROWS IN_FLIGHT FOLDER
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Any

# It asks the network for tiktoken's vocabulary at its start; litellm, which it brings, has a copy.
_LITELLM = Path(importlib.util.find_spec("litellm").origin).parent
os.environ["TIKTOKEN_CACHE_DIR"] = str(_LITELLM / "litellm_core_utils" / "tokenizers")

from bespokelabs import curator  # noqa: E402 (reads the variable)
from datasets import Dataset  # noqa: E402


class Asker(curator.LLM):
    """One prompt a row."""

    def prompt(self, row: dict[str, Any]) -> str:
        return str(row["prompt"])

    def parse(self, row: dict[str, Any], response: str) -> dict[str, Any]:
        return {"row": row["row"], "reply": response}


def main(url: str, rows: int, in_flight: int, folder: str) -> None:
    """Ask every row, with what the cache in the folder has of an earlier run."""
    asker = Asker(
        model_name="m",
        backend="openai",
        backend_params={
            "base_url": url,
            "api_key": "none",
            "max_requests_per_minute": 10**6,
            "max_tokens_per_minute": 10**9,
            "max_concurrent_requests": in_flight,
            "max_retries": 10,
        },
        generation_params={"max_tokens": 50},
    )
    asked = Dataset.from_list([{"row": row, "prompt": f"row {row}"} for row in range(rows)])
    made = asker(asked, working_dir=folder)
    kept = (made.dataset if hasattr(made, "dataset") else made)["row"]
    print("\n" + json.dumps({"answered": len(kept), "rows": len(set(kept))}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
