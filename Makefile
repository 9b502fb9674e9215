# Everything runs in .venv, made on first use: no need to activate anything.
PYTHON ?= python3
VENV ?= .venv
RUN := $(VENV)/bin/python
OLDEST := tests/test_end_to_end.py tests/training/checkpoints tests/data \
  tests/graph/test_propagation.py tests/losses/test_sincere.py tests/text/encoders \
  tests/preparation/read/formats --ignore=tests/text/encoders/test_transformer.py
QUICKSTART ?= runs/quickstart

.PHONY: quickstart test docs oldest wheel lint notebooks clean help

help:  ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/'

$(VENV)/installed: setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo 'error: Python 3.11 or newer is needed; name it by: make PYTHON=python3.12' >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --upgrade pip
	$(RUN) -m pip install --quiet --editable '.[dev]'
	@touch $@

quickstart: $(VENV)/installed  ## generate reviews, prepare, train, evaluate: two to three minutes
	$(RUN) data_prep/prepare.py --flagfile=configs/prepare/synthetic.flags \
	  --output=$(QUICKSTART)/data --overwrite
	rm -rf $(QUICKSTART)/model
	$(RUN) launch/train.py --dataset=$(QUICKSTART)/data --workdir=$(QUICKSTART)/model
	$(RUN) launch/evaluate.py --dataset=$(QUICKSTART)/data --workdir=$(QUICKSTART)/model

test: $(VENV)/installed  ## run the tests
	$(RUN) -m pytest

oldest:  ## tests of every part, with the oldest dependencies that setup.cfg allows
	$(PYTHON) -m venv --clear .venv-oldest
	$(PYTHON) tests/oldest.py > .venv-oldest/constraints.txt
	.venv-oldest/bin/python -m pip install --quiet --constraint .venv-oldest/constraints.txt \
	  --editable . pytest pytest-xdist hypothesis
	.venv-oldest/bin/python -m pytest -n 0 -W default::DeprecationWarning $(OLDEST)

wheel:  ## build the wheel, install it elsewhere, start every command from there
	rm -rf build .venv-wheel
	$(PYTHON) -m venv .venv-wheel
	$(PYTHON) -m pip wheel --quiet --no-deps --wheel-dir .venv-wheel .
	.venv-wheel/bin/python -m pip install --quiet .venv-wheel/*.whl
	sh tests/wheel.sh .venv-wheel

$(VENV)/docs: $(VENV)/installed
	$(RUN) -m pip install --quiet --editable '.[docs]'
	@touch $@

docs: $(VENV)/docs  ## build the website of the documentation in site/
	$(RUN) docs/build.py

lint: $(VENV)/installed  ## format check, lint, type check, order of layers
	$(RUN) -m ruff format --check .
	$(RUN) -m ruff check .
	$(RUN) -m mypy
	$(VENV)/bin/lint-imports

notebooks: $(VENV)/installed  ## run the notebooks and keep their outputs
	$(VENV)/bin/jupyter-execute --coalesce_streams=True --inplace notebooks/*.ipynb

clean:  ## remove what was built
	rm -rf $(VENV) build dist site *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
