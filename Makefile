# Every task that a person or a script starts by name. `make` alone lists them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup run test check lint types format bench docs nightly lock clean

# Options passed on to the command behind run, test, bench, nightly and lock, e.g. make run ARGS="--port 8080".
ARGS ?=

# The first Python that is new enough; PYTHON=... chooses another.
PYTHON ?= $(firstword $(foreach name,python3 python3.13 python3.12 python3.11,$(if $(shell \
	$(name) -c 'import sys; print(sys.version_info >= (3, 11) or "")' 2>/dev/null),$(name))) python3)

# Each set-up step leaves a stamp that wears the digest of what it was made from. A fresh clone, an older branch or a
# moved folder therefore sets up exactly what differs, whatever the files' times say. Of pyproject.toml the project's own
# part counts; the tools below it read their settings anew each time.
digest = $(shell { pwd; sed '/^\[tool\./,$$d' pyproject.toml; cat $(1); } | sha256sum | cut -c 1-16)
RUNTIME := .venv/.runtime-$(call digest,requirements/build.txt requirements/runtime.txt)
TOOLS := .venv/.tools-$(call digest,requirements/build.txt requirements/runtime.txt requirements/test.txt)
SDK := .venv-sdk/.ready-$(call digest,requirements/build.txt requirements/sdk.txt)
PEER := .venv-peer/.ready-$(call digest,requirements/build.txt requirements/peer.txt)
LOCKER := .venv-lock/.ready-$(call digest,requirements/lock.txt)
NODE := tests/journeys/node/node_modules/.ready-$(call digest,tests/journeys/node/package-lock.json)

# One worker a core, a file at a time, so that what a file starts is started once; in the order of the rooms, which end
# with short ones.
PYTEST := .venv/bin/python -m pytest --numprocesses auto --maxprocesses 8 --dist loadfile --no-loadscope-reorder

PIP := -m pip --quiet --quiet --no-input --disable-pip-version-check install
COMPILE := .venv-lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	--no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' $(ARGS)

help:  ## list the tasks
	@sed -nE 's/^([a-z]+):.*  ## (.*)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 16

setup: $(RUNTIME)  ## make .venv with Paydue and what it needs; quick when nothing changed
	@echo "setup: .venv/bin/paydue is ready"

run: setup  ## start the demo server on data kept in .demo; ARGS="--port 0 ..." passes options on
	@exec .venv/bin/paydue demo --data .demo $(ARGS)

test: lint types $(SDK) $(PEER) $(NODE)  ## set up everything and run the whole suite; CI calls this
	@tests/machine/setup.sh
	@echo "test: running the whole suite"
	@$(PYTEST) $(ARGS)

check: lint types  ## lint, types and the quick tests: no machine set-up, no vendor SDK
	@echo "check: running the quick tests"
	@$(PYTEST) --ignore=tests/journeys $(ARGS)

lint: $(TOOLS)  ## style, likely bugs, and who may import whom
	@echo "lint: ruff and the import contract"
	@.venv/bin/ruff check --quiet
	@.venv/bin/ruff format --check --quiet --output-format concise \
		|| { echo "lint: 'make format' mends the layout of the files above" >&2; exit 1; }
	@.venv/bin/lint-imports --no-logo

types: $(TOOLS)  ## check every type in src
	@echo "types: mypy --strict"
	@.venv/bin/mypy

format: $(TOOLS)  ## mend what can be mended without thought: import order, layout
	@.venv/bin/ruff check --fix --exit-zero --silent
	@.venv/bin/ruff format

bench: $(RUNTIME) $(PEER)  ## run the benchmarks, half an hour; ARGS="--quick" in a minute, less exact
	@tests/machine/setup.sh
	@.venv/bin/python -m bench $(ARGS)

docs: $(TOOLS)  ## check that every link between the documents leads somewhere
	@.venv/bin/python -m pytest --quiet tests/rules/test_documents.py

nightly: $(TOOLS) $(SDK) $(PEER) $(NODE)  ## the long reliability lanes
	@tests/machine/setup.sh
	@.venv/bin/python -m pytest -m nightly $(ARGS)

lock: $(LOCKER)  ## write the lock files from pyproject.toml anew; ARGS=--upgrade takes newer versions
	@echo "lock: resolving Python packages"
	@$(COMPILE) pyproject.toml --group test --output-file requirements/test.txt
	@$(COMPILE) pyproject.toml --constraint requirements/test.txt --output-file requirements/runtime.txt
	@$(COMPILE) --group build --constraint requirements/test.txt --output-file requirements/build.txt
	@$(COMPILE) --group lock --output-file requirements/lock.txt
	@$(COMPILE) requirements/sdk.in --output-file requirements/sdk.txt
	@$(COMPILE) requirements/peer.in --output-file requirements/peer.txt
	@tests/machine/setup.sh
	@echo "lock: resolving the Node client"
	@cd tests/journeys/node && npm install --package-lock-only --loglevel=error

clean:  ## remove what set-up and tools made; the demo's data in .demo stays
	rm -rf .venv .venv-lock .venv-peer .venv-sdk tests/journeys/node/node_modules dist
	rm -rf .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache .schemathesis
	find src tests -name __pycache__ -prune -exec rm -rf {} +

# --- what the tasks stand on ---

# $(call venv,FOLDER): an empty virtual environment. Debian keeps the part that makes one in a package of its own.
define venv
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "setup: Paydue needs Python 3.11 or newer, $(PYTHON) is not; name one with make PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { \
		package="$$($(PYTHON) -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"; \
		[ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null || { \
			echo "setup: this Python cannot make virtual environments; on Debian: sudo apt-get install $$package" >&2; exit 1; }; \
		echo "setup: installing the Debian package $$package"; \
		export DEBIAN_FRONTEND=noninteractive; \
		apt-get update -qq; apt-get install -qq --no-install-recommends "$$package" >/dev/null; }
	@$(PYTHON) -m venv --clear $(1)
endef

$(RUNTIME):
	@echo "setup: making .venv and installing what requirements/runtime.txt names"
	$(call venv,.venv)
	@.venv/bin/python $(PIP) --require-hashes -r requirements/build.txt -r requirements/runtime.txt
	@echo "setup: installing Paydue itself into .venv"
	@.venv/bin/python $(PIP) --no-index --no-deps --no-build-isolation --editable .
	@touch $@

$(TOOLS): $(RUNTIME)
	@echo "setup: installing what requirements/test.txt names into .venv"
	@.venv/bin/python $(PIP) --require-hashes -r requirements/test.txt
	@touch $@

$(SDK):
	@echo "tests: making .venv-sdk with the vendor's Python client"
	$(call venv,.venv-sdk)
	@.venv-sdk/bin/python $(PIP) --require-hashes --only-binary :all: -r requirements/build.txt
	@.venv-sdk/bin/python $(PIP) --require-hashes --no-build-isolation -r requirements/sdk.txt
	@touch $@

$(PEER):
	@echo "setup: making .venv-peer with localstripe, which tests pay and the benchmark measures"
	$(call venv,.venv-peer)
	@.venv-peer/bin/python $(PIP) --require-hashes --only-binary :all: -r requirements/build.txt
	@.venv-peer/bin/python $(PIP) --require-hashes --no-build-isolation -r requirements/peer.txt
	@touch $@

$(NODE):
	@tests/machine/setup.sh
	@echo "tests: installing the vendor's Node client"
	@cd tests/journeys/node && npm ci --loglevel=error
	@touch $@

$(LOCKER):
	@echo "lock: making .venv-lock with uv"
	$(call venv,.venv-lock)
	@.venv-lock/bin/python $(PIP) --require-hashes -r requirements/lock.txt
	@touch $@
