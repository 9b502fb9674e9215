# Everything runs in .venv, made on first use: no need to activate anything.
PYTHON ?= python3
VENV ?= .venv
RUN := $(VENV)/bin/python
QUICKSTART ?= runs/quickstart

.PHONY: quickstart test lint notebooks clean help

help:  ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/'

$(VENV)/installed: setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo 'error: Python 3.11 or newer is needed; name it by: make PYTHON=python3.12' >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --upgrade pip
	$(RUN) -m pip install --quiet --editable '.[dev]'
	@touch $@

quickstart: $(VENV)/installed  ## generate reviews, prepare, train, evaluate: about two minutes
	$(RUN) data_prep/prepare.py --flagfile=configs/prepare/synthetic.flags \
	  --output=$(QUICKSTART)/data --overwrite
	rm -rf $(QUICKSTART)/model
	$(RUN) launch/train.py --dataset=$(QUICKSTART)/data --workdir=$(QUICKSTART)/model
	$(RUN) launch/evaluate.py --dataset=$(QUICKSTART)/data --workdir=$(QUICKSTART)/model

test: $(VENV)/installed  ## run the tests
	$(RUN) -m pytest

lint: $(VENV)/installed  ## format check, lint, type check
	$(RUN) -m ruff format --check .
	$(RUN) -m ruff check .
	$(RUN) -m mypy

notebooks: $(VENV)/installed  ## run the notebooks and keep their outputs
	$(VENV)/bin/jupyter-execute --inplace notebooks/*.ipynb

clean:  ## remove what was built
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
