# Everything runs in virtual environments below this folder; needs Python 3.11-3.13, pip and make.

SHELL := /bin/sh
.DEFAULT_GOAL := help
# Hundreds of processes begin here: each would compile all of Airflow anew.
unexport PYTHONDONTWRITEBYTECODE

# The first interpreter of a list that starts and has a wanted version (a pyenv shim may exist and not start).
find_python = $(shell for name in $(1); do "$$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, $(2)))' \
	2>/dev/null && { echo "$$name"; break; }; done)
PYTHON ?= $(call find_python,python3 python3.11 python3.12 python3.13 python,13)
# Airflow 2.11 does not run on Python 3.13.
PYTHON_2_11 ?= $(call find_python,$(PYTHON) python3.11 python3.12,12)
# The interpreter of one version, by its name or where pyenv keeps it.
exact_python = $(shell for name in python$(1) $(HOME)/.pyenv/versions/$(1).*/bin/python; do \
	"$$name" -c 'import sys; sys.exit("%d.%d" % sys.version_info[:2] != "$(1)")' 2>/dev/null && { echo "$$name"; break; }; done)

UV_VERSION := 0.13.8
AIRFLOWS := 3.3 3.2 3.1 2.11
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := .installed
INPUTS := pyproject.toml Makefile
QUICK := not generated and not browser and not cluster and not live

NIGHTLY := nightly-3.2 nightly-py3.12 nightly-py3.13 nightly-newest nightly-supervised

.PHONY: help demo ui test interface coverage browser browser-2.11 cluster-test fuzz lint docs matrix nightly $(NIGHTLY) live audit bench mutants constraints hashes build release-check dist-test clean FORCE

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/$(INSTALLED) ## Run the sharing example in a real Airflow against the local BILL
	$(BIN)/python -m dev.demo

ui: $(VENV)/$(INSTALLED) ## Leave Airflow's web page and the local BILL running until Ctrl-C
	$(BIN)/python -m dev.ui

test: $(VENV)/$(INSTALLED) ## Run the tests on Airflow 3.3, but for those of the next three targets
	$(BIN)/python -m pytest -m "$(QUICK) and not interface" -n 3

interface: $(VENV)/$(INSTALLED) ## Run the tests of the command line and of the page in Airflow
	$(BIN)/python -m pytest -m interface -n 2

live: $(VENV)/$(INSTALLED) ## Ask BILL's own sandbox what its pages leave open (needs an account there: docs/live-tests.md)
	$(BIN)/python -m pytest -m live --confcutdir=tests/live tests/live/test_questions.py

browser: $(VENV)/$(INSTALLED) ## Press what people press, in a real browser (needs chromium)
	$(BIN)/python -m pytest -m browser

browser-2.11: .venv-2.11/$(INSTALLED) ## The same on Airflow 2.11: the connection form and its Test button
	.venv-2.11/bin/python -m pytest -m browser tests/browser

cluster-test: .venv-cluster/$(INSTALLED) ## Load and faults on Celery, PostgreSQL, Redis and two pretended hosts
	.venv-cluster/bin/python -m pytest -m cluster tests/cluster

fuzz: $(VENV)/$(INSTALLED) ## Ask the local BILL 20,000 generated calls, change 100,000 records, draw more schedules
	$(BIN)/python -m pytest -m generated -n 2

coverage: $(VENV)/$(INSTALLED) ## Run the tests of test and interface, and measure how much of the code they run
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -m "$(QUICK) and not interface" -n 3
	$(BIN)/coverage run -m pytest -m interface -n 2
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

lint: $(VENV)/$(INSTALLED) .venv-audit/$(INSTALLED) ## Check style and types, the workflows of the forge, and that pins and hashes agree
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	.venv-audit/bin/zizmor --quiet --offline --persona pedantic .github
	@for file in constraints/*.txt; do \
		sed -e '/^ *--hash/d' -e 's/ *\\$$//' "constraints/hashed/$${file##*/}" | diff - "$$file" >&2 || \
			{ echo "$$file and constraints/hashed/$${file##*/} disagree: run make hashes, and commit both" >&2; exit 1; }; \
	done

audit: $(VENV)/$(INSTALLED) .venv-audit/$(INSTALLED) ## Look for known weaknesses in what is pinned and installed (AUDIT_REQUIRED=1: or fail)
	.venv-audit/bin/python .github/scripts/audit.py $(BIN)/python

docs: .venv-docs/$(INSTALLED) ## Build the site of docs/ into site/, check its links and that it loads nothing from elsewhere
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --quiet --strict
	.venv-docs/bin/python -m dev.site_check

matrix: matrix-3.2 matrix-3.1 matrix-2.11 ## Run the tests on older Airflows, but for supervised ones and the local BILL's, at midnight, far from UTC

# The local BILL knows nothing of Airflow: its own tests run on one.
matrix-%: .venv-%/$(INSTALLED)
	TZ=$(ZONE) .venv-$*/bin/python -m pytest $(MATRIX) --ignore=tests/sandbox

# Before Airflow 3.3 much of the time is waiting: nothing there tells at once that a Variable is missing.
MATRIX := -m "not supervised and $(QUICK)" -n 4 --at-midnight
matrix-3.2 nightly-3.2: ZONE := Asia/Kathmandu
matrix-3.1: ZONE := Pacific/Auckland
matrix-2.11: ZONE := America/St_Johns

nightly: ## Run what CI has no time for (an hour and more), and note the results in docs/tested.md
	$(MAKE) --no-print-directory --keep-going $(NIGHTLY)

nightly-3.2: .venv-3.2/$(INSTALLED)
	TZ=$(ZONE) .venv-3.2/bin/python -m dev.tested "all but supervised and browser" $(MATRIX)

$(filter nightly-py%,$(NIGHTLY)): nightly-py%: .venv-py%/$(INSTALLED)
	.venv-py$*/bin/python -m dev.tested "all but supervised and browser" $(MATRIX)

nightly-newest: .venv-newest/$(INSTALLED)
	.venv-newest/bin/python -m dev.tested "all but supervised and browser, newest dependencies" $(MATRIX)

nightly-supervised: .venv-3.1/$(INSTALLED)
	.venv-3.1/bin/python -m dev.tested "sharing, writes and MFA, supervised" $(SUPERVISED)

SUPERVISED := $(addprefix tests/supervised/,test_sharing.py test_writes.py test_mfa.py test_mfa_two_operators.py)

bench: .venv-bench/$(INSTALLED) ## Run the benchmarks and write benchmarks/results (about 12 minutes)
	.venv-bench/bin/python -m benchmarks

mutants: .venv-mutants/$(INSTALLED) ## Change the code, and look whether a test notices (MUTANTS=400: how many changes; SEED=: which)
	PROOF=1 .venv-mutants/bin/python -m dev.mutants $(or $(MUTANTS),400) $(SEED)

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
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --no-header --no-annotate \
		--extra hitl --extra sandbox --group dev --group mutants \
		--constraint constraints/airflow-3.3.in --output-file constraints/mutants.txt pyproject.toml
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --no-header --no-annotate \
		--group docs --output-file constraints/docs.txt
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --no-header --no-annotate \
		--group audit --output-file constraints/audit.txt
	$(MAKE) --no-print-directory hashes

# Beside each file of pins one with the hashes of what may be installed for them. The pins stay as they are.
hashes: $(BIN)/uv ## Write constraints/hashed for the pinned versions
	for file in constraints/*.txt; do \
		$(BIN)/uv pip compile --quiet --no-deps --universal --python-version 3.11 --no-header --no-annotate \
			--generate-hashes --output-file "constraints/hashed/$${file##*/}" "$$file" || exit 1; \
	done

build: $(VENV)/$(INSTALLED) ## Build and check the wheel and the source distribution
	rm -rf dist
	$(BIN)/uv build --quiet --build-constraint constraints/hashed/airflow-3.3.txt --require-hashes
	$(BIN)/twine check --strict dist/*

release-check: build .venv-audit/$(INSTALLED) ## Build both, and write beside them what they are made of (CycloneDX)
	.venv-audit/bin/python .github/scripts/sbom.py

dist-test: build ## Install both into an empty environment, and run a DAG there
	$(BIN)/python -m dev.dist_test

clean: ## Remove environments, caches and built files
	rm -rf .venv .venv-* dist build site .coverage .coverage.* .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# -- environments: a stamp says that what is installed is what the constraints and pyproject.toml ask for --------

.PRECIOUS: .venv-%/$(INSTALLED) .venv-%/bin/uv .venv-py%/$(INSTALLED) .venv-py%/bin/uv

$(VENV)/$(INSTALLED): constraints/airflow-3.3.txt $(INPUTS) | $(BIN)/uv
	$(call install,$(VENV),$<)

.venv-%/$(INSTALLED): constraints/airflow-%.txt $(INPUTS) | .venv-%/bin/uv
	$(call install,.venv-$*,$<)

.venv-bench/$(INSTALLED): constraints/bench.txt $(INPUTS) | .venv-bench/bin/uv
	$(call install,.venv-bench,$<,--group bench)

.venv-mutants/$(INSTALLED): constraints/mutants.txt $(INPUTS) | .venv-mutants/bin/uv
	$(call install,.venv-mutants,$<,--group mutants)

.venv-cluster/$(INSTALLED): constraints/cluster.txt $(INPUTS) | .venv-cluster/bin/uv
	$(call install,.venv-cluster,$<,--group cluster)

# Not pinned: what a company gets that installs it today.
.venv-newest/$(INSTALLED): FORCE | .venv-newest/bin/uv
	.venv-newest/bin/uv pip install --quiet --upgrade --python .venv-newest/bin/python \
		--editable '.[hitl,sandbox]' --group dev

.venv-py%/$(INSTALLED): constraints/airflow-3.3.txt $(INPUTS) | .venv-py%/bin/uv
	$(call install,.venv-py$*,$<)

# Only what draws the site, and what looks at the pins and the workflows: neither imports our code.
.venv-docs/$(INSTALLED) .venv-audit/$(INSTALLED): .venv-%/$(INSTALLED): constraints/%.txt $(INPUTS) | .venv-%/bin/uv
	.venv-$*/bin/uv pip install --quiet --python .venv-$*/bin/python $(call pinned,$<) --group $*
	@touch $@

$(BIN)/uv:
	$(call create,$(VENV),$(PYTHON))

.venv-2.11/bin/uv:
	$(call create,.venv-2.11,$(PYTHON_2_11))

.venv-py%/bin/uv:
	$(call create,.venv-py$*,$(call exact_python,$*))

.venv-%/bin/uv:
	$(call create,.venv-$*,$(PYTHON))

# Versions from one file, hashes from the other: uv refuses a file of another hash, and pins that disagree. pip reads the
# first file only (Containerfile), as it takes no constraints with hashes.
pinned = $(foreach file,$(1) $(wildcard constraints/hashed/$(notdir $(1))),--constraint $(file) --build-constraint $(file))

define create
	@test -n "$(2)" || { echo "No fitting Python found for $(1): install it, or name one with make PYTHON=..." >&2; exit 1; }
	$(2) -m venv --clear $(1)
	$(1)/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
endef

define install
	@echo "Installing $(2) into $(1)"
	$(1)/bin/uv pip install --quiet --python $(1)/bin/python $(call pinned,$(2)) \
		--editable '.[hitl,sandbox]' --group dev $(3)
	@touch $@
endef
