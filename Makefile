# `make demo` in a fresh clone: a virtual environment, the package and the demo. See README.md.
#   make demo     train on the bundled sample and recommend, no download of data or weights
#   make test     all tests
#   make check    style, types and the direction of imports
#   make clean    everything that can be made again, the virtual environment included
# PYTHON=python3.12 make demo   takes another interpreter (3.11 or newer).

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/pip install --disable-pip-version-check -c constraints.txt
# numpy, FAISS and torch each start their own threads: with two test processes one each is fastest
ONE_THREAD := OMP_NUM_THREADS=1

.PHONY: demo test check clean

demo: $(VENV)/installed-base
	$(BIN)/kgintent demo

test: $(VENV)/installed-test
	$(ONE_THREAD) $(BIN)/python -m pytest -n 2 --dist loadfile

check: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed-base: pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) -e .
	touch $@

$(VENV)/installed-test: pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) -e '.[test]'
	touch $@

$(VENV)/installed-dev: pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) -e '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find kg models recsys tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
