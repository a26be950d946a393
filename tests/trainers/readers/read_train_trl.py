"""Runs in TRL's environment: the export's own train_trl.py as it stands, and the rows that its trainer trained on."""

import json
import os
import runpy
import sys

job = json.load(sys.stdin)
os.chdir(job["folder"])
sys.argv[1:] = job["arguments"][1:]
ran = runpy.run_path(job["arguments"][0], run_name="__main__")
rows = [{"input_ids": one["input_ids"], "labels": one["labels"]} for one in ran["trainer"].train_dataset]
print("RESULT", json.dumps({"rows": rows}))
