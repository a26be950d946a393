"""Runs in ms-swift's environment: the dataset that `swift sft` makes of a config, encoded by its own template."""

import json
import os
import sys

from swift.cli.main import parse_yaml_args
from swift.pipelines import SwiftSft

job = json.load(sys.stdin)
os.chdir(job["folder"])
arguments = list(job["arguments"])
parse_yaml_args(arguments)
train, _ = SwiftSft(arguments)._prepare_dataset()
made = [train[at] for at in range(len(train))]
rows = [{"input_ids": list(one["input_ids"]), "labels": list(one["labels"])} for one in made]
print("RESULT", json.dumps({"rows": rows}))
