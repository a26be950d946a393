"""DataDesigner: one LLM column over a seed table; early shutdown off, resumed where that is possible.

python -P benchmarks/peers/datadesigner.py URL ROWS IN_FLIGHT FOLDER
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import data_designer.config as dd
import pandas as pd
from data_designer.config.run_config import ResumeMode
from data_designer.interface import DataDesigner


def main(url: str, rows: int, in_flight: int, folder: str) -> None:
    """Make the dataset, with what the folder has of an earlier run."""
    seeds = Path(folder) / "seeds.parquet"
    if not seeds.exists():
        pd.DataFrame({"row": range(rows)}).to_parquet(seeds)
    model = dd.ModelConfig(
        alias="bench",
        model="m",
        provider="mock",
        inference_parameters=dd.ChatCompletionInferenceParams(max_parallel_requests=in_flight, max_tokens=50),
        skip_health_check=True,
    )
    builder = dd.DataDesignerConfigBuilder(model_configs=[model])
    builder.with_seed_dataset(dd.LocalFileSeedSource(path=str(seeds)))
    builder.add_column(dd.LLMTextColumnConfig(name="reply", model_alias="bench", prompt="row {{ row }}"))
    provider = dd.ModelProvider(name="mock", endpoint=url, api_key="none")
    designer = DataDesigner(artifact_path=folder, model_providers=[provider])
    designer.set_run_config(dd.RunConfig(disable_early_shutdown=True, otel_metrics_port=None))
    made = designer.create(builder, num_records=rows, dataset_name="bench", resume=ResumeMode.IF_POSSIBLE)
    kept = [row for row, reply in made.load_dataset()[["row", "reply"]].itertuples(index=False) if reply]
    print("\n" + json.dumps({"answered": len(kept), "rows": len(set(kept))}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
