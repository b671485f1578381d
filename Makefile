# Each target sets up what it needs: .venv is made on first use and kept in step with pyproject.toml and constraints.txt.
# A Python of your choice for a new .venv: make PYTHON=python3.12 test

PYTHON  ?= python3
WORKERS ?= 3

VENV    := .venv
PY      := $(VENV)/bin/python
BIN     := $(VENV)/bin
STAMP   := $(VENV)/installed
TYPED   := main.py referral field_app case_system tests benchmarks tools

.DEFAULT_GOAL := help
.PHONY: help demo test check .house .types bench deep mutate clean

help: ## say what each target does
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 16

demo: $(STAMP) ## a case system, an officer's app and a case manager's app on this machine; Ctrl-C stops all
	@exec $(PY) tools/demo.py

check: $(STAMP) ## lint, format, types, import contracts, documents (seconds)
	@$(MAKE) --no-print-directory -j2 .house .types

.house:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(PY) -m pytest -q tests/architecture

.types:
	$(BIN)/mypy $(TYPED)

test: check ## check, then every test that check did not run
	$(PY) -m pytest -n $(WORKERS) --dist load --maxschedchunk 2 --ignore=tests/architecture

bench: $(STAMP) ## speeds and sizes, against their limits
	$(PY) -m benchmarks

deep: $(STAMP) ## the proof programme's release figures, in parts that go on where they were stopped; writes docs/proof/
	@$(PY) -m tests.proof run

mutate: $(STAMP) ## mutation testing of referral, vault and sync (hours; goes on where it was stopped)
	@$(PY) -m tools.mutate

clean: ## remove .venv and everything that tools and the demo made
	rm -rf $(VENV) build dist .demo test-results *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	echo "LEAD Field needs Python 3.11 or newer. Install one, or name it: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@test -x $(PY) || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	echo "The virtual environment could not be made. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@echo "Installing into $(VENV) (once, and again when pyproject.toml or constraints.txt change) ..."
	@$(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[desktop,server,dev]'
	@touch $@
