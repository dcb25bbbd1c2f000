# Every target sets up what it needs; a repeated run starts at once. `make help` lists the targets.

SHELL := /bin/bash
PYTHON := .venv/bin/python
SYNCED := .venv/.synced
UV_VERSION := 0.13.9
# uv from PATH, else a private copy that nothing outside this checkout sees.
UV := $(or $(shell command -v uv 2>/dev/null),.attune/uv/bin/uv)
# Further arguments: make test ARGS="-k close", make bench ARGS="submit --quick"
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup demo up down status migrate test chaos bench check proto clean test-k8s

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /\1|/' | column -t -s '|'

setup: $(SYNCED) ## make the virtual environment (Python 3.11 or newer, locked versions)

$(SYNCED): pyproject.toml uv.lock | $(UV)
	@echo "Setting up the virtual environment in .venv …"
	@VIRTUAL_ENV= $(UV) sync --frozen --quiet
	@touch $@

.attune/uv/bin/uv:
	@echo "uv is not on PATH; getting uv $(UV_VERSION) into .attune/uv …"
	@python3 -c 'import sys; sys.exit("Attune needs Python 3.11 or newer" if sys.version_info < (3, 11) else 0)'
	@rm -rf .attune/uv && mkdir -p .attune
	@{ python3 -m venv .attune/uv && .attune/uv/bin/python -m pip install --quiet uv==$(UV_VERSION); } \
		|| { rm -rf .attune/uv; python3 -m pip install --quiet --target .attune/uv uv==$(UV_VERSION); }

demo: setup ## set everything up, run one whole review cycle, print its results, leave the stack up
	@./attune demo

up: setup ## start the local stack
	@./attune up

down: setup ## stop the local stack; its data stays in .attune/
	@./attune down

status: setup ## show the processes and addresses of the local stack
	@./attune status

proto: setup ## generate the protobuf code that is committed beside the protos
	@$(PYTHON) -m tests.guards.codegen

check: setup ## lint, types, import contracts, protos, generated code, migrations, lengths, unused dependencies
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/buf lint
	.venv/bin/buf breaking --against protos/baseline.binpb
	.venv/bin/deptry .
	$(PYTHON) -m pytest -q -n 2 tests/guards tests/runtime/test_schema.py

migrate: setup ## bring the schemas of the running stack's database up to date
	@$(PYTHON) -m deploy.local.migrate

test: setup ## run all tests but benches and whole campaigns; the chaos smoke last, on a stack of its own
	@$(PYTHON) -m pytest -n 2 --dist loadfile --ignore=tests/chaos --ignore=tests/bench $(ARGS) tests
	@[ ! -d tests/chaos ] || $(PYTHON) -m pytest tests/chaos -m smoke $(ARGS)

test-k8s: setup ## install, upgrade, roll back and uninstall the chart on a real control plane (built once: minutes)
	@$(PYTHON) -m deploy.local.kubernetes

chaos: setup ## run the whole fault campaigns
	@$(PYTHON) -m pytest tests/chaos $(ARGS)

bench: setup ## measure, print one table (ARGS: names, --quick, --json, --markdown)
	@$(PYTHON) -m tests.bench $(ARGS)

clean: setup ## stop the stack and delete its data, the logs and the keys
	@./attune down
	@find .attune -mindepth 1 -maxdepth 1 ! -name uv ! -name bin -exec rm -rf {} +
