"""distilabel: one TextGeneration step over the rows, in batches of as many as may be in flight.

python -P benchmarks/peers/distilabel.py URL ROWS IN_FLIGHT FOLDER
"""

from __future__ import annotations

import json
import sys

from distilabel.models import OpenAILLM
from distilabel.pipeline import Pipeline
from distilabel.steps import LoadDataFromDicts
from distilabel.steps.tasks import TextGeneration


def main(url: str, rows: int, in_flight: int, folder: str) -> None:
    """Run the pipeline, with what its cache has of an earlier run."""
    with Pipeline(name="bench", cache_dir=folder) as pipeline:
        load = LoadDataFromDicts(
            data=[{"instruction": f"row {row}", "row": row} for row in range(rows)], batch_size=in_flight
        )
        llm = OpenAILLM(
            model="m", base_url=url, api_key="none", max_retries=10, generation_kwargs={"max_new_tokens": 50}
        )
        load >> TextGeneration(llm=llm, input_batch_size=in_flight)
    made = pipeline.run(use_cache=True)["default"]["train"]
    kept = [row["row"] for row in made if row["generation"]]
    print("\n" + json.dumps({"answered": len(kept), "rows": len(set(kept))}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
