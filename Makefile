# Everything runs in virtual environments below this folder; needs Python 3.11-3.13, pip and make.

SHELL := /bin/sh
.DEFAULT_GOAL := help

# The first interpreter of a list that starts and has a wanted version (a pyenv shim may exist and not start).
find_python = $(shell for name in $(1); do "$$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, $(2)))' \
	2>/dev/null && { echo "$$name"; break; }; done)
PYTHON ?= $(call find_python,python3 python3.11 python3.12 python3.13 python,13)
# Airflow 2.11 does not run on Python 3.13.
PYTHON_2_11 ?= $(call find_python,$(PYTHON) python3.11 python3.12,12)

UV_VERSION := 0.13.8
AIRFLOWS := 3.3 3.1 2.11
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := .installed
INPUTS := pyproject.toml Makefile

.PHONY: help demo ui test lint matrix bench constraints build clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/$(INSTALLED) ## Run the sharing example in a real Airflow against the local BILL
	$(BIN)/python -m dev.demo

ui: $(VENV)/$(INSTALLED) ## Leave Airflow's web page and the local BILL running until Ctrl-C
	$(BIN)/python -m dev.ui

test: $(VENV)/$(INSTALLED) ## Run all tests on Airflow 3.3 and measure their coverage
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n 2 --dist loadgroup
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

lint: $(VENV)/$(INSTALLED) ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

matrix: matrix-3.1 matrix-2.11 ## Run all tests but the supervised ones on Airflow 3.1 and 2.11, at midnight, far from UTC

matrix-%: .venv-%/$(INSTALLED)
	TZ=$(ZONE) .venv-$*/bin/python -m pytest -m "not supervised" -n 2 --at-midnight

matrix-3.1: ZONE := Pacific/Auckland
matrix-2.11: ZONE := America/St_Johns

bench: .venv-bench/$(INSTALLED) ## Run the benchmarks and write benchmarks/results (about 12 minutes)
	.venv-bench/bin/python -m benchmarks

constraints: $(BIN)/uv ## Bring the pinned versions up to date
	for version in $(AIRFLOWS); do \
		$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --no-header --no-annotate \
			--all-extras --group dev \
			--constraint "constraints/airflow-$$version.in" --output-file "constraints/airflow-$$version.txt" \
			pyproject.toml || exit 1; \
	done
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --no-header --no-annotate \
		--extra hitl --extra sandbox --group dev --group bench \
		--constraint constraints/airflow-3.3.in --output-file constraints/bench.txt pyproject.toml

build: $(VENV)/$(INSTALLED) ## Build and check the wheel and the source distribution
	rm -rf dist
	$(BIN)/uv build --quiet --build-constraint constraints/airflow-3.3.txt
	$(BIN)/twine check --strict dist/*

clean: ## Remove environments, caches and built files
	rm -rf .venv .venv-* dist build .coverage .coverage.* .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# -- environments: a stamp says that what is installed is what the constraints and pyproject.toml ask for --------

.PRECIOUS: .venv-%/$(INSTALLED) .venv-%/bin/uv

$(VENV)/$(INSTALLED): constraints/airflow-3.3.txt $(INPUTS) | $(BIN)/uv
	$(call install,$(VENV),$<)

.venv-%/$(INSTALLED): constraints/airflow-%.txt $(INPUTS) | .venv-%/bin/uv
	$(call install,.venv-$*,$<)

.venv-bench/$(INSTALLED): constraints/bench.txt $(INPUTS) | .venv-bench/bin/uv
	$(call install,.venv-bench,$<,--group bench)

$(BIN)/uv:
	$(call create,$(VENV),$(PYTHON))

.venv-2.11/bin/uv:
	$(call create,.venv-2.11,$(PYTHON_2_11))

.venv-%/bin/uv:
	$(call create,.venv-$*,$(PYTHON))

define create
	@test -n "$(2)" || { echo "No fitting Python found: install 3.11 or 3.12, or name one with make PYTHON=..." >&2; exit 1; }
	$(2) -m venv --clear $(1)
	$(1)/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
endef

define install
	@echo "Installing $(2) into $(1)"
	$(1)/bin/uv pip install --quiet --python $(1)/bin/python --constraint $(2) --build-constraint $(2) \
		--editable '.[hitl,sandbox]' --group dev $(3)
	@touch $@
endef
