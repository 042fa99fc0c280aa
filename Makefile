# The two commands of the README, and what contributors run. Needs Python 3.11+, git and make.
PYTHON ?= python3
BOT := .venv/bin/python
CANDIDATE := .venv-candidate/bin/python
PIP := -m pip install --quiet --disable-pip-version-check
# Three workers on two cores: for a third of their time the tests wait for deadlines.
TESTS ?= -n 3 --dist worksteal -m "not slow"

.PHONY: help install step test verify lint bench docs lock clean

help:
	@echo "make step     run one whole experiment (installs what it needs first)"
	@echo "make install  only install"
	@echo "make test     linters, types and tests (under 10 minutes on 2 cores)"
	@echo "make verify   the tests that take long"
	@echo "make bench    what the machinery costs, as JSON (all other figures: python -m bench)"
	@echo "make docs     write docs/configuration.md and docs/commands.md anew"

install: .venv/installed .venv-candidate/installed

.venv/installed: requirements/bot.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "Installing the bot and the runner into .venv"
	@$(PYTHON) -m venv .venv
	@$(BOT) $(PIP) -r requirements/bot.txt
	@touch $@

.venv-candidate/installed: requirements/candidate.txt
	@echo "Installing what candidates may import (PyTorch) into .venv-candidate"
	@$(PYTHON) -m venv .venv-candidate
	@$(CANDIDATE) $(PIP) -r requirements/candidate.txt
	@touch $@

.venv/installed-dev: .venv/installed requirements/dev.txt
	@echo "Installing the linters and the test tools into .venv"
	@$(BOT) $(PIP) -r requirements/bot.txt -r requirements/dev.txt
	@touch $@

step: install
	@$(BOT) -m bot step

lint: .venv/installed-dev
	$(BOT) -m ruff format --check .
	$(BOT) -m ruff check .
	$(BOT) -m mypy

test: install lint
	$(BOT) -m pytest -q $(TESTS)

verify: install .venv/installed-dev
	$(BOT) -m pytest -q -n 2 --dist worksteal --timeout 2400 -m slow

bench: install
	@$(BOT) -m bench overhead --json

docs: install
	@$(BOT) docs/make_reference.py

lock:
	@$(PYTHON) -m venv --clear build/lock
	@build/lock/bin/python $(PIP) $$($(PYTHON) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"])')
	@{ echo "# Everything that bot and runner need, pinned. Made from pyproject.toml by: make lock"; \
	   build/lock/bin/python -m pip freeze; } > requirements/bot.txt
	@build/lock/bin/python $(PIP) $$($(PYTHON) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["dev"])')
	@{ echo "# What contributors need on top of bot.txt. Made from pyproject.toml by: make lock"; \
	   build/lock/bin/python -m pip freeze | grep -vxFf requirements/bot.txt; } > requirements/dev.txt

clean:
	rm -rf .venv .venv-candidate build .mypy_cache .ruff_cache .pytest_cache
