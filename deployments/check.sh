#!/bin/sh
# check.sh BIN: what `make check` runs. The first line that fails ends it; what it prints says what to mend.
set -eu
bin=$1
"$bin/ruff" format --check --quiet . || {
    echo "trajmill: some files are not formatted. Run: $bin/ruff format ." >&2
    exit 1
}
"$bin/ruff" check --quiet .
"$bin/mypy"
"$bin/lint-imports" --no-cache
"$bin/python" deployments/readme_map.py --check
"$bin/python" -m schemas.tables --check docs/tables.md
"$bin/python" -m formats.tasks.task_jsonl --check docs/task-spec.schema.json
"$bin/python" -m formats.logs.recorded_episodes --check docs/recorded-episode.schema.json
"$bin/python" -m commands.formats_page --check docs/formats.md
"$bin/python" -m pytest --quiet tests/test_house.py
