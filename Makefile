# What is run by hand and what takes long. Neither the README's commands nor .ci/run need make.

PYTHON ?= python3
VENV = .venv
BIN = $(abspath $(VENV))/bin
INSTALL = $(BIN)/python -m pip install --quiet --constraint constraints.txt

.DEFAULT_GOAL = help
.NOTPARALLEL:
.PHONY: help install check coverage bench ci clean constraints nightly repetitions differences platform random pythons lowest newest

help:  ## list the commands
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 14

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) --editable ".[dev]"
	@touch $@

install: $(VENV)/.installed  ## make .venv with all that development needs

check: install  ## style, format, types, imports
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

coverage: install  ## run the suite and fail under the threshold of pyproject.toml
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n 2
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

platform:  ## run the tests of the backend platform where `import nexus` is the real framework
	$(PYTHON) -m venv .venv-platform
	.venv-platform/bin/python -m pip install --quiet --constraint constraints-platform.txt --editable ".[platform]" pytest-xdist
	.venv-platform/bin/pytest -n 2 tests/platform tests/contract/test_databases.py tests/contract/promises
	NEXUS_CONTRACT=as_shipped .venv-platform/bin/pytest -n 2 tests/contract/promises

bench: install  ## measure what the harness costs
	$(BIN)/python -m tests.benchmarks

ci:  ## run all that has to pass before a change is merged
	.ci/run

nightly:  ## run what takes long: documents compared at length, repetitions, random order, other Pythons, lowest and newest dependencies
	$(MAKE) --keep-going differences repetitions random pythons lowest newest

# The seed of a night is its date, so that each compares other operations and any of them can be run again.
differences: install
	NEXUS_DIFFERENCES=20000 $(BIN)/pytest -q -n 0 tests/contract/test_differences.py
	NEXUS_DIFFERENCES=20000 NEXUS_DIFFERENCES_SEED=$$(date +%Y%m%d) $(BIN)/pytest -q -n 0 tests/contract/test_differences.py

repetitions: install
	NEXUS_REPETITIONS=1000 $(BIN)/pytest -q -n 0 tests/unit/test_scheduler.py -k ten_timers

random:
	$(MAKE) install VENV=.venv-random
	.venv-random/bin/python -m pip install --quiet pytest-randomly
	for pass in 1 2 3; do .venv-random/bin/pytest -n 2 || exit 1; done

pythons:
	@for version in 3.12 3.13; do \
	    for python in python$$version "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/$$version.*/bin/python ""; do \
	        "$$python" -c "" 2> /dev/null && break; \
	    done; \
	    if [ -z "$$python" ]; then echo "Python $$version was not there"; continue; fi; \
	    $(MAKE) install PYTHON="$$python" VENV=.venv-$$version && .venv-$$version/bin/pytest -n 2 || exit 1; \
	done

# Old releases call what newer ones below them deprecate, and the oldest pytest-asyncio leaves event loops open that it
# made for itself; neither is ours to mend.
lowest:
	$(PYTHON) -m venv --clear .venv-lowest
	.venv-lowest/bin/python -m pip install --quiet uv
	.venv-lowest/bin/uv pip install --quiet --python .venv-lowest --resolution lowest-direct --editable ".[dev]"
	.venv-lowest/bin/pytest -n 2 -W default::DeprecationWarning -W default::ResourceWarning

newest:
	$(PYTHON) -m venv --clear .venv-newest
	.venv-newest/bin/python -m pip install --quiet --editable ".[dev]"
	.venv-newest/bin/pytest -n 2

constraints:  ## resolve every dependency anew and pin it in constraints.txt
	$(PYTHON) -m venv --clear .venv-constraints
	.venv-constraints/bin/python -m pip install --quiet ".[all,dev]"
	echo "# Made by \`make constraints\` on CPython 3.11: the closure of the extras all and dev as it resolved that day." > constraints.txt
	.venv-constraints/bin/python -m pip freeze --exclude nexus-testing >> constraints.txt
	$(PYTHON) -m venv --clear .venv-constraints
	.venv-constraints/bin/python -m pip install --quiet ".[platform]" coverage pytest-xdist
	echo "# Made by \`make constraints\` on CPython 3.11: the closure of the extra platform as it resolved that day." > constraints-platform.txt
	.venv-constraints/bin/python -m pip freeze --exclude nexus-testing >> constraints-platform.txt

clean:  ## remove all that these commands leave behind
	rm -rf .venv .venv-* dist .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
