# Needs python3 (3.11 to 3.13), make and PyPI. `make help` lists what there is.

VENV ?= .venv
# The first of these that is a Python we support; or say which: make PYTHON=python3.12 demo
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
	>/dev/null 2>&1 && { echo $$p; break; }; done)

BIN := $(VENV)/bin
# Files that say what was done last in $(VENV), so that nothing is done twice.
MADE := $(VENV)/.made
VERSION := -c 'import sys; print("%d.%d" % sys.version_info[:2])'

# A process per core; a file's tests stay in one, for what they make once and share.
PYTEST := $(BIN)/python -m pytest --numprocesses auto --dist loadfile

export UV_HTTP_TIMEOUT ?= 180

.DEFAULT_GOAL := help
.PHONY: help install install-cluster demo test test-all test-cluster lint format lock wheel clean distclean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' Makefile
	@echo "  variables: PYTHON=python3.12 (which Python), VENV=.venv-3.12 (which environment)"

install-cluster: install ## add what clusters need: exactly what requirements-cluster.lock names
	VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --require-hashes \
		--build-constraints requirements.lock -r requirements-cluster.lock

install: $(MADE)/project ## make the environment in .venv: exactly what requirements.lock names

demo: install ## answer the main question: a retailer's three-phase plan against today's
	$(BIN)/fidelio run scenario=retail_three_phase

test: install ## run the tests, less the slow ones and those that need a cluster
	$(PYTEST) -m "not slow and not cluster"

test-all: install ## run every test
	$(PYTEST)

test-cluster: install-cluster ## run the tests that start Slurm, Dask and Ray on this machine
	$(BIN)/python -m pytest -m cluster tests/cluster

lint: install ## check style, formatting, types and import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: install ## format the code and mend what can be mended
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

# One lock for every supported Python and system, and one with clusters besides, in which all that
# the first one names has the same pin. Pins stay unless `make lock UPGRADE=1`.
LOCK = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --extra dev \
	--generate-hashes --no-emit-index-url --no-emit-find-links \
	--custom-compile-command "make lock" $(if $(UPGRADE),--upgrade)
lock: $(MADE)/venv ## write the locks from pyproject.toml (UPGRADE=1: newest versions)
	$(LOCK) --output-file requirements.lock pyproject.toml
	$(LOCK) --extra slurm --extra dask --extra ray --constraint requirements.lock \
		--output-file requirements-cluster.lock pyproject.toml

wheel: install ## build the wheel into dist/ and look whether its data are inside
	rm -rf dist
	$(BIN)/python -m hatchling build -t wheel
	@$(BIN)/python -m zipfile -l dist/*.whl > dist/contents.txt
	@for part in sim/cli.py sim/_data/conf/ sim/_data/scenarios/ sim/_data/data/cdnow/; do \
		grep -q "^$$part" dist/contents.txt || { echo "The wheel lacks $$part"; exit 1; }; done
	@! grep panels_gpl dist/contents.txt || { echo "GPL data in the wheel"; exit 1; }
	@rm dist/contents.txt

clean: ## remove caches and builds (outputs/ and .venv stay)
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.venv*' -prune -exec rm -rf {} +

distclean: clean ## also remove the environment
	rm -rf $(VENV)

# --- the environment -----------------------------------------------------------------------------

# An environment of another Python than the one asked for would be used without a word.
ifneq ($(filter command line environment,$(origin PYTHON)),)
ifneq ($(wildcard $(BIN)/python),)
ifneq ($(shell $(PYTHON) $(VERSION)),$(shell $(BIN)/python $(VERSION)))
$(error $(VENV) is not of $(PYTHON). Remove it, or name another: make VENV=.venv-other PYTHON=$(PYTHON))
endif
endif
endif

# Scripts in an environment name the folder that they were made in: one that was moved or copied here
# is made again.
HERE := $(if $(filter /%,$(VENV)),$(BIN),$(CURDIR)/$(BIN))/python
FITS := grep -qF "$(HERE)" $(BIN)/pip 2>/dev/null
ifneq ($(shell $(FITS) && echo yes),yes)
.PHONY: $(MADE)/venv
endif

# uv comes first, through pip, at the version and with the hashes that the lock gives.
$(MADE)/venv:
	@test -n "$(PYTHON)" || { \
		echo "Fidelio needs Python 3.11, 3.12 or 3.13; found: $$(python3 --version 2>&1)."; \
		echo "Install one of them, or say where it is: make PYTHON=/path/to/python3.12"; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { \
		echo "Fidelio needs Python 3.11, 3.12 or 3.13; PYTHON=$(PYTHON) is not."; exit 2; }
	$(FITS) || $(PYTHON) -m venv --clear $(VENV)
	@mkdir -p $(MADE)
	@awk '/^uv==/, !/\\$$/' requirements.lock > $(MADE)/uv.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
		--require-hashes -r $(MADE)/uv.txt
	@touch $@

$(MADE)/lock: requirements.lock $(MADE)/venv
	VIRTUAL_ENV=$(VENV) $(BIN)/uv pip sync --require-hashes \
		--build-constraints requirements.lock requirements.lock
	@touch $@

# Editable, built by the locked hatchling; its dependencies are those of the lock.
$(MADE)/project: pyproject.toml $(MADE)/lock
	VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --no-deps --no-build-isolation --editable .
	@touch $@
