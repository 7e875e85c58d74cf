# Deskbell: `make run` serves it, `make test` proves it, `make check` reads it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
PYTEST ?= $(BIN)/python -m pytest

INSTALLED := $(VENV)/installed
INSTALLED_DEV := $(VENV)/installed-dev

.PHONY: help setup setup-dev run test check chaos chaos-short soak mutants fmt lock clean

help:
	@echo "make run     serve Deskbell on http://127.0.0.1:8000 (installs what it needs first)"
	@echo "make test    run every test (installs the development tools and a browser first)"
	@echo "make check   formatting, lint, types, import contracts"
	@echo "make chaos   break everything for three minutes and see that the promises hold (SEED=3)"
	@echo "make chaos-short  the same with one fault of each layer, and two at once"
	@echo "make soak    the same for an hour, with growing seeds"
	@echo "make mutants see that the campaign notices eight broken promises"
	@echo "make fmt     format the Python code"
	@echo "make setup   only install"
	@echo "make lock    resolve the dependencies anew (needs uv)"

setup: $(INSTALLED)

setup-dev: $(INSTALLED_DEV)

# The shell is replaced by the server, which also watches this make: an
# interrupt sent to make alone does not reach the commands that it started.
run: $(INSTALLED)
	@exec $(BIN)/deskbell serve --until-parent $$PPID

test: $(INSTALLED_DEV)
	@$(BIN)/python -m tests.journeys.chromium
	@exec $(PYTEST) -n 3 --dist worksteal $(ARGS)

check: $(INSTALLED_DEV)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports
	@tools/tsc/check

chaos: $(INSTALLED_DEV)
	@exec $(BIN)/python -m tests.chaos --within 150 $(if $(SEED),--seed $(SEED)) $(ARGS)

chaos-short: $(INSTALLED_DEV)
	@exec $(BIN)/python -m tests.chaos --short $(if $(SEED),--seed $(SEED)) $(ARGS)

mutants: $(INSTALLED_DEV)
	@exec $(PYTEST) -n 2 tests/chaos/check_mutants.py $(ARGS)

soak: $(INSTALLED_DEV)
	@exec $(BIN)/python -m tests.chaos --for 3600 --reports test-results/soak $(if $(SEED),--seed $(SEED)) $(ARGS)

fmt: $(INSTALLED_DEV)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock:
	@tools/lock

clean:
	rm -rf $(VENV) tools/tsc/node_modules

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Deskbell needs Python 3.11 or newer: name one with PYTHON=/path/to/python3." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "This Python cannot make virtual environments: install the package python3-venv (apt-get install python3-venv)." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(INSTALLED): requirements.lock requirements-embedded.lock pyproject.toml | $(BIN)/python
	@echo "Installing Deskbell into $(VENV) ..."
	@$(PIP) install --require-hashes -r requirements.lock
	@tools/install-embedded $(BIN)/python
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(INSTALLED_DEV): requirements-dev.lock $(INSTALLED)
	@echo "Installing the development tools into $(VENV) ..."
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@touch $@
