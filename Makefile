# Two commands for a newcomer: `make demo` and `make test`. Each sets up all it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# For a CPU build of torch from PyTorch's own index: make demo PIP_FLAGS="--extra-index-url https://download.pytorch.org/whl/cpu"
PIP_FLAGS ?=
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help install demo laptop test check format docs clean

help: ## Print this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /  make \1\t/' | expand -t 18

install: $(VENV)/.installed ## Make the virtual environment with pinned versions

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet $(PIP_FLAGS) -c constraints.txt torch
	$(BIN)/pip install --quiet $(PIP_FLAGS) -c constraints.txt -e '.[dev]'
	@touch $@

demo: install ## Train, evaluate and tabulate δ-mem on the embedded backbone
	$(BIN)/deltamem demo

laptop: install ## Fetch a language model of 98 MB and see it answer from memory, in a quarter of an hour
	$(BIN)/deltamem fetch model=smollm2-135m
	$(BIN)/deltamem demo model=smollm2-135m

test: install ## Run the tests
	$(BIN)/pytest -n $(WORKERS) --dist worksteal

check: install ## Format, lint and types, without changing anything
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: install ## Format and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: install ## Write the reference from the code, and build the documents as a site in build/site
	$(BIN)/pip install --quiet $(PIP_FLAGS) -c constraints.txt -e '.[docs]'
	$(BIN)/python docs/figures/mechanism.py
	$(BIN)/python docs/generate.py
	$(BIN)/python docs/printed_numbers.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

clean: ## Remove the virtual environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
