"""Runs in TRL's environment, which has transformers: Megatron-LM's own tokenizer of conversations, and its targets."""

import importlib.util
import json
import sys
from pathlib import Path

job = json.load(sys.stdin)
(file,) = Path(sys.prefix, "megatron-core").glob("megatron/core/tokenizers/text/libraries/sft_tokenizer.py")
spec = importlib.util.spec_from_file_location("sft_tokenizer", file)
module = importlib.util.module_from_spec(spec)
sys.modules[spec.name] = module
spec.loader.exec_module(module)
tokenizer = module.SFTTokenizer(job["tokenizer"], job["format"])
rows = []
for record in job["records"]:
    said = record["messages"]
    tokens, target = tokenizer.tokenize_conversation(said, return_target=True, add_generation_prompt=False)
    rows.append({"input_ids": tokens.tolist(), "labels": target.tolist()})
print("RESULT", json.dumps({"rows": rows}))
