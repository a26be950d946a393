# Trajmill: every habit of the house. `make help` lists them.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
JOBS ?= 2
PARALLEL := -n $(JOBS) --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help setup demo check docs test test-slow test-nightly test-engines test-trainers test-eft bench

help:  ## this list
	@echo "make ... (PYTHON=python3.12: another interpreter; JOBS=4: four tests at a time)"
	@sed -n 's/^\([a-z-]*\):[^#]*## /  \1\t/p' Makefile | expand -t 18

setup:  ## the environment in .venv, as uv.lock has it: 1.1 GB, once
	@sh deployments/setup.sh "$(PYTHON)" "$(VENV)" "$(origin PYTHON)"

demo: setup  ## the whole figure, offline, into ./data: a minute to a minute and a half
	@"$(BIN)/trajmill" build

check: setup  ## format, lint, types, layers, generated docs: under a minute
	@sh deployments/check.sh "$(BIN)"

docs: setup  ## write anew what is generated: tables, formats, schemas, the README's map
	@"$(BIN)/python" deployments/readme_map.py --write
	@"$(BIN)/python" -m schemas.tables --write docs/tables.md
	@"$(BIN)/python" -m formats.tasks.task_jsonl --write docs/task-spec.schema.json
	@"$(BIN)/python" -m formats.logs.recorded_episodes --write docs/recorded-episode.schema.json
	@"$(BIN)/python" -m commands.formats_page --write docs/formats.md

test: setup  ## the tests: about ten minutes on two cores, no network but loopback
	@"$(BIN)/python" -m pytest $(PARALLEL) -m "not slow and not nightly and not engines and not trainers and not eft"

test-slow: setup  ## kills in every stage, a fresh clone, cron, planted faults: under half an hour
	@"$(BIN)/python" -m pytest $(PARALLEL) -m "slow and not nightly and not engines"

test-nightly: setup  ## what takes long and rarely breaks: kills at random, builds in a row, every interpreter
	@"$(BIN)/python" -m pytest $(PARALLEL) -m "nightly and not engines"

test-engines: setup  ## against MariaDB, PostgreSQL, Docker and Podman, where they run
	@"$(BIN)/python" -m pytest -m engines || [ $$? -eq 5 ]

test-trainers: setup  ## against the trainers' own loaders, each in its environment (6 GB, once): about ten minutes
	@PYTHON="$(PYTHON)" sh deployments/trainers.sh && TRAJMILL_TRAINERS=all "$(BIN)/python" -m pytest -m trainers

test-eft: setup  ## emulated fine-tuning on tiny models, where torch and transformers are installed
	@"$(BIN)/python" -m pytest -rs -m eft || [ $$? -eq 5 ]

bench: setup  ## the measurements in docs/: about 40 minutes on two idle cores
	@"$(BIN)/python" benchmarks/build.py
	@"$(BIN)/python" -m benchmarks.start
	@"$(BIN)/python" benchmarks/teacher.py
	@"$(BIN)/python" -m benchmarks.sandbox
	@"$(BIN)/python" -m benchmarks.parts
