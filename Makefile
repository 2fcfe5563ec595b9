# make run: a working assistant with the demo organization. make test: everything that is tested, set-up included.
SHELL := /bin/bash
PYTHON ?= python3
PORT ?= 8000
TEST_PROCESSES ?= 2
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help run prepare test lint format llama-server quantiser system-packages reset

help: ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

.venv/.installed: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info[:2] == (3, 11) else "Intramural needs Python 3.11: make run PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet -r requirements.txt
	@touch $@

.venv/.installed-dev: .venv/.installed requirements-dev.txt requirements-milvus.txt
	$(BIN)/pip install --quiet -r requirements-dev.txt
	@touch $@

prepare: .venv/.installed
	@$(BIN)/python manage.py prepare

run: prepare ## serve on http://127.0.0.1:$(PORT) with the demo organization
	@$(BIN)/python manage.py load_demo --port $(PORT)
	@$(BIN)/python manage.py serve --port $(PORT)

system-packages:
	@bin/install-system-packages

test: system-packages .venv/.installed-dev lint ## set up what the tests need and run them all
	@$(BIN)/python manage.py prepare_models
	@$(BIN)/python manage.py prepare_specialists
	$(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder

lint: .venv/.installed-dev ## style, types and import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

format: .venv/.installed-dev ## put the code in shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

llama-server: .venv/.installed ## build llama.cpp's server into .llama
	@bin/build-llama-server

.quantiser/.installed: requirements-quantise.txt
	$(PYTHON) -m venv .quantiser
	.quantiser/bin/pip install --quiet -r requirements-quantise.txt
	@touch $@

quantiser: .quantiser/.installed ## install what makes GPTQ and AWQ into .quantiser

reset: ## forget all data of this installation
	rm -rf $${INTRAMURAL_DATA:-var}
