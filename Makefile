SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup test check demo up down lock schemas

PYTHON := .venv/bin/python
UV := .venv/bin/uv
PYTEST_WORKERS ?= 2

help: ## Show this text
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /make \1\t/' | expand -t 16

setup: ## Install what is missing: programs, the virtual environment, Python packages
	@tools/bootstrap

test: setup ## Run the tests (PYTEST_ARGS="-k seal" for some of them)
	@$(PYTHON) -m pytest -n $(PYTEST_WORKERS) --dist loadfile $(PYTEST_ARGS)

check: setup ## Lint, types, layers, published schemas
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m mypy
	@.venv/bin/lint-imports
	@.venv/bin/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
	@$(PYTHON) -m preservation.manifest --check

demo: setup ## Preserve a sample site from sheet to report, in a real Airflow
	@$(PYTHON) -m demo

up: setup ## Start Airflow for the home in PRESERVE_HOME and leave it running
	@.venv/bin/preserve init
	@.venv/bin/preserve up

down: setup ## Stop it and everything that it started
	@.venv/bin/preserve down

schemas: setup ## Write schemas/ and docs/data-dictionary.md from the declared columns
	@$(PYTHON) -m preservation.manifest

lock: setup ## Resolve the dependencies anew into requirements/*.lock
	@tools/lock $(if $(UPGRADE),--upgrade)
