# Every command of the project, the same on a laptop and in CI. `make example` and `make test` need nothing but Python.

PYTHON ?= python3
VENV = .venv
EXTRAS = dev
PYTEST = pytest
DIST = dist

BIN = $(abspath $(VENV))/bin
INSTALL = $(BIN)/python -m pip install --quiet --constraint constraints.txt
EXAMPLES = $(patsubst examples/%/pyproject.toml,%,$(wildcard examples/*/pyproject.toml))

.DEFAULT_GOAL = help
.NOTPARALLEL:
.PHONY: help install example test lint types imports coverage build examples bench ci clean constraints
.PHONY: nightly random pythons lowest newest

help:  ## list the commands
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 14

$(VENV)/pyvenv.cfg:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/pyvenv.cfg pyproject.toml constraints.txt
	$(INSTALL) --editable .
	@touch $@

$(VENV)/.installed-$(EXTRAS): $(VENV)/pyvenv.cfg pyproject.toml constraints.txt
	$(INSTALL) --editable ".[$(EXTRAS)]"
	@touch $@

install: $(VENV)/.installed-$(EXTRAS)  ## make .venv with all that development needs

example: $(VENV)/.installed  ## run the tests of examples/hello-plugin
	cd examples/hello-plugin && $(BIN)/pytest

test: install  ## run the whole test suite
	$(BIN)/$(PYTEST)

lint: install  ## check style and format
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: install  ## check types
	$(BIN)/mypy

imports: install  ## check who imports whom
	$(BIN)/lint-imports --no-cache

coverage: install  ## run the suite and fail under the threshold of pyproject.toml
	$(BIN)/coverage erase
	$(MAKE) test PYTEST="coverage run -m pytest"
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

build: install  ## make sdist and wheel in dist/
	rm -rf $(DIST)
	$(BIN)/python -m build --outdir $(DIST) > /dev/null

examples: $(EXAMPLES:%=example-of-%)  ## test every example against the wheel, each in an environment of its own

# A copy elsewhere, so that nothing of this repo is in its reach, and installed as its author would.
example-of-%: build
	@echo "== $*" && work=$$(mktemp -d) && trap 'rm -rf "$$work"' EXIT && \
	cp -R examples/$* "$$work/repo" && $(PYTHON) -m venv "$$work/venv" && \
	"$$work/venv/bin/python" -m pip install --quiet --constraint constraints.txt $(DIST)/*.whl -e "$$work/repo[dev]" && \
	cd "$$work/repo" && ../venv/bin/pytest

bench: install  ## measure what the harness costs
	$(BIN)/python -m tests.benchmarks

ci:  ## run all that has to pass before a change is merged
	.ci/run

nightly:  ## run what takes long: random order, other Pythons, lowest and newest dependencies
	$(MAKE) --keep-going random pythons lowest newest

random:
	$(MAKE) install VENV=.venv-random
	.venv-random/bin/python -m pip install --quiet pytest-randomly
	for pass in 1 2 3; do .venv-random/bin/pytest --numprocesses 2 || exit 1; done

pythons:
	@for version in 3.12 3.13; do \
	    for python in python$$version "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/$$version.*/bin/python ""; do \
	        "$$python" -c "" 2> /dev/null && break; \
	    done; \
	    if [ -z "$$python" ]; then echo "Python $$version was not there"; continue; fi; \
	    $(MAKE) test PYTHON="$$python" VENV=.venv-$$version || exit 1; \
	done

# Old releases call what newer ones below them deprecate, which is not ours to mend.
lowest:
	$(PYTHON) -m venv --clear .venv-lowest
	.venv-lowest/bin/python -m pip install --quiet uv
	.venv-lowest/bin/uv pip install --quiet --python .venv-lowest --resolution lowest-direct --editable ".[$(EXTRAS)]"
	.venv-lowest/bin/pytest -W default::DeprecationWarning

newest:
	$(PYTHON) -m venv --clear .venv-newest
	.venv-newest/bin/python -m pip install --quiet --editable ".[$(EXTRAS)]"
	.venv-newest/bin/pytest

constraints:  ## resolve every dependency anew and pin it in constraints.txt
	$(PYTHON) -m venv --clear .venv-constraints
	.venv-constraints/bin/python -m pip install --quiet ".[all,dev]"
	echo "# Made by \`make constraints\` on CPython 3.11: the closure of the extras all and dev as it resolved that day." > constraints.txt
	.venv-constraints/bin/python -m pip freeze --exclude nexus-testing >> constraints.txt

clean:  ## remove all that these commands leave behind
	rm -rf .venv .venv-* $(DIST) .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
