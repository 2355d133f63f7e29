# One `.venv` for running and testing, made from requirements-dev.txt. The stamps in it say what is installed:
# they are written last, so that an install that failed or was interrupted is begun again.

PYTHON ?= python3
UV ?= uv
# More than two cores can serve: many acceptance tests wait for a worker to be missed or a host to be slow.
PYTEST_PROCESSES ?= 4

BIN := .venv/bin
PINNED := .venv/.pinned
INSTALLED := .venv/.installed

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test test-faults lint unit requirements clean

help:  ## Show this.
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "make %-16s %s\n", $$1, $$2 }' Makefile

# PORT, if given, reaches the command in its environment. `exec`: signals to make's child are signals to the command.
run: $(INSTALLED)  ## Run the whole system until Ctrl-C, and prove that it works (another port: make run PORT=9000).
	@exec $(BIN)/zexa-sync dev

test: lint  ## Run every check: ruff, mypy, and all tests on real Redis, SQLite and PostgreSQL.
	$(BIN)/python -m pytest -n $(PYTEST_PROCESSES) --dist worksteal

test-faults: $(INSTALLED)  ## Kill, freeze, fill and lock every server under load, and compare every row (under 10 minutes on two cores).
	$(BIN)/python -m pytest tests/faults -n $(PYTEST_PROCESSES) --dist worksteal -o tmp_path_retention_policy=failed

lint: $(INSTALLED)  ## Check style and types.
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

unit: $(INSTALLED)  ## Run the fast tests only.
	$(BIN)/python -m pytest tests/unit

requirements:  ## Pin the dependencies of pyproject.toml anew, keeping the pins that still fit (needs uv).
	@command -v $(UV) >/dev/null || { echo "make: uv is not installed; it compiles requirements*.txt" >&2; exit 1; }
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		-o requirements.txt pyproject.toml
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--extra dev -c requirements.txt -o requirements-dev.txt pyproject.toml

clean:  ## Remove what was installed and cached. The data of `make run`, in .zexa, stays.
	rm -rf .venv build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(PINNED): requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "make: Python 3.11 or newer is needed, and $(PYTHON) is $$($(PYTHON) --version 2>&1 || true);" \
			"name one, for example: make run PYTHON=python3.12" >&2; exit 1; }
	@echo "Installing into .venv, once; this takes a minute."
	@$(PYTHON) -m venv --clear .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

$(INSTALLED): $(PINNED) pyproject.toml
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@
