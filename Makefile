# One `.venv`, for running and, on top, for testing. The stamps in it say what is installed: they are written last, so
# that an install that failed or was interrupted is begun again.

PYTHON ?= python3
# More than two cores can serve: many acceptance tests wait for a worker to be missed or a host to be slow.
PYTEST_PROCESSES ?= 4

BIN := .venv/bin
PINNED := .venv/.pinned
INSTALLED := .venv/.installed
TESTABLE := .venv/.testable

# If this is set, every process would compile all of the code anew, and each of the tests' processes all tests.
export PYTHONDONTWRITEBYTECODE :=

PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test test-faults test-system lint unit requirements clean

help:  ## Show this.
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "make %-16s %s\n", $$1, $$2 }' Makefile

# PORT, if given, reaches the command in its environment. `exec`: signals to make's child are signals to the command.
run: $(INSTALLED)  ## Run the whole system until Ctrl-C, and prove that it works (another port: make run PORT=9000).
	@exec $(BIN)/zexa-sync dev

test: lint  ## Run every check: ruff, mypy, and all tests on real Valkey, Redis, SQLite and PostgreSQL.
	$(BIN)/python -m pytest -n $(PYTEST_PROCESSES) --dist worksteal

test-faults: $(TESTABLE)  ## Kill, freeze, fill and lock every server under load, and compare every row (under 10 minutes on two cores).
	$(BIN)/python -m pytest tests/faults -n $(PYTEST_PROCESSES) --dist worksteal -o tmp_path_retention_policy=failed

test-system: $(TESTABLE)  ## Test what needs packages of Debian (installed if you are root) and every Python of this machine.
	$(BIN)/python -m tests.system.packages
	$(BIN)/python -m pytest tests/system -n $(PYTEST_PROCESSES) --dist worksteal -o tmp_path_retention_policy=failed

lint: $(TESTABLE)  ## Check style and types.
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

unit: $(TESTABLE)  ## Run the fast tests only.
	$(BIN)/python -m pytest tests/unit -n logical --maxprocesses $(PYTEST_PROCESSES) --dist worksteal

requirements: $(TESTABLE)  ## Pin the dependencies of pyproject.toml anew, keeping the pins that still fit.
	$(COMPILE) -o requirements.txt pyproject.toml
	$(COMPILE) --group pyproject.toml:run -c requirements.txt -o requirements-run.txt
	$(COMPILE) --group dev -c requirements.txt -c requirements-run.txt -o requirements-dev.txt pyproject.toml

clean:  ## Remove what was installed and cached. The data of `make run`, in .zexa, stays.
	rm -rf .venv build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .schemathesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(PINNED): requirements.txt requirements-run.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "make: Python 3.11 or newer is needed, and $(PYTHON) is $$($(PYTHON) --version 2>&1 || true);" \
			"name one, for example: make run PYTHON=python3.13" >&2; exit 1; }
	@echo "Installing into .venv, once; this takes a minute."
	@$(PYTHON) -m venv --clear .venv
	@$(PIP) --require-hashes -r requirements.txt -r requirements-run.txt
	@touch $@

$(INSTALLED): $(PINNED) pyproject.toml
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

$(TESTABLE): $(INSTALLED) requirements-dev.txt
	@echo "Installing what the tests need into .venv, once; this takes a minute."
	@$(PIP) --require-hashes -r requirements-dev.txt
	@touch $@
