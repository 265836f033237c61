# Two commands: `make demo` shows the product, `make test` proves it. Both install what they need.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3.11
VENV ?= .venv
BIN := $(VENV)/bin
QUIET := --disable-pip-version-check --no-input -q
# pip names every place it was told to look in and found nothing; that helps nobody here.
HUSH := 2> >(grep -v "^WARNING: Location" >&2)
PIP := $(BIN)/python -m pip $(QUIET)
ARGS ?=

.PHONY: help install dev demo test check faults simulate simulate-postgresql simulate-mutants bench hostile canaries history browser screenshots lock wheel clean

help:
	@echo "make demo              the product on the example firm, in your browser"
	@echo "make demo ARGS=--once  the same as a transcript, without a browser"
	@echo "make test              everything that must pass"
	@echo "make check             format, lint and types only"
	@echo "make faults SEEDS=1..25 the story under kills, cut wires and full disks"
	@echo "make simulate SEEDS=1-50 clients and days of a seed, and what must never happen"
	@echo "make canaries          the whole story with canaries aboard, and a search of all it made"
	@echo "make bench             our figures beside the bare minimum; FULL=1 for what we publish"
	@echo "make hostile           texts made to slow the detectors down; none may take more than its length"
	@echo "make screenshots       the pictures of docs/screenshots, taken anew"
	@echo "make lock              renew the pinned dependencies (needs uv)"

# What is installed is what the locks say: a stamp per lock, so that nothing is done twice.
$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 is needed; set PYTHON=/path/to/python3.11"; exit 2; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: requirements.lock pyproject.toml | $(BIN)/python
	@echo "installing counterfoil and its pinned dependencies into $(VENV) …"
	@$(PIP) install --require-hashes -r requirements.lock $(HUSH)
	@$(PIP) install --no-deps -e . $(HUSH)
	@touch $@

$(VENV)/.developed: requirements-dev.lock $(VENV)/.installed
	@echo "installing what tests and checks need …"
	@$(PIP) install --require-hashes -r requirements-dev.lock $(HUSH)
	@touch $@

install: $(VENV)/.installed
dev: $(VENV)/.developed

demo: install
	@$(BIN)/counterfoil sandbox $(ARGS)

check: dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .

test: check wheel browser
	$(BIN)/pytest

# The story under kills, cut wires and full disks; a seed that fails prints how to run it again.
# `test` plays 1..25, which are short; later ones are longer. docs/faults.md says what is tried.
SEEDS ?= 1..25
faults: dev
	FAULT_SEEDS=$(SEEDS) $(BIN)/pytest tests/faults --dist load -k nothing_is_lost

# A firm's clients and months by a seed, on the production code; docs/simulation.md says what is checked.
CLIENTS ?= 12
DAYS ?= 60
simulate: SEEDS = 1-50
simulate: dev
	@$(BIN)/python -m tests.simulation --seeds $(SEEDS) --clients $(CLIENTS) --days $(DAYS) \
		$(if $(ONLY),--only $(ONLY)) $(if $(CALM),--calm) $(if $(LOUD),--loud --jobs 1) $(ARGS)

# Numbers, advice and health that must not be seen come in by every way; then every row, file, log,
# card, letter and copy is searched. `test` sails three days; docs/canaries.md says what is searched.
canaries: DAYS = 90
canaries: dev
	CANARY_DAYS=$(DAYS) $(BIN)/pytest -n0 tests/canary

# A few seeds on PostgreSQL: is each the story that it is on SQLite?
simulate-postgresql: SEEDS = 1-5
simulate-postgresql: dev
	@$(BIN)/python -W ignore -m tests.simulation.both --seeds $(SEEDS) $(ARGS)

# The product broken on purpose, in a copy: is each of these breaks noticed?
simulate-mutants: dev
	@$(BIN)/python -m tests.simulation.mutants $(ARGS)

# Every figure beside the bare minimum that does the same work, in the same run: docs/performance.md
FULL ?=
bench: dev
	@$(BIN)/python -m benchmarks $(if $(FULL),--full) $(ARGS)

# Texts that are written to slow the detectors down: is any slower than its length? SIZE characters.
SIZE ?= 256000
hostile: dev
	@$(BIN)/python -m benchmarks.hostile --size $(SIZE) $(ARGS)

# Two years of a real firm, invoice by invoice, and our example against a count by hand; `test` takes
# some of the invoices.
history: dev
	WHOLE_HISTORY=1 $(BIN)/pytest -n0 tests/bot/test_replay.py -k 'of_a_real_firm or of_a_firm'

# The page is tried in a real browser. Where a machine has none and lets us, one is installed; else
# those tests are skipped and say what is missing (REQUIRE_BROWSER=1 makes them fail).
browser:
	@for name in "$$COUNTERFOIL_CHROMIUM" chromium chromium-browser google-chrome; do \
		if [ -n "$$name" ] && command -v "$$name" >/dev/null; then exit 0; fi; done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "installing chromium for the tests of the page …"; \
		{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null; } \
			|| echo "chromium could not be installed; its tests will say so"; \
	else echo "no chromium here: the tests of the page are skipped"; fi

screenshots: dev browser
	$(BIN)/python -m tests.browser.pictures

# The wheel in an empty environment must tell the whole story by itself.
wheel: dev
	@echo "building the wheel, and playing the story from it in an empty environment …"
	@rm -rf .scratch/wheel && mkdir -p .scratch/wheel
	@$(PIP) wheel --no-deps -w .scratch/wheel . $(HUSH)
	@$(PYTHON) -m venv .scratch/wheel/env
	@.scratch/wheel/env/bin/python -m pip $(QUIET) install --require-hashes -r requirements.lock $(HUSH)
	@.scratch/wheel/env/bin/python -m pip $(QUIET) install --no-deps .scratch/wheel/*.whl
	@cd .scratch/wheel && env/bin/counterfoil sandbox --once > story.txt && tail -n 5 story.txt

lock:
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -q -o requirements.lock
	uv pip compile pyproject.toml --extra dev --extra postgres --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -q -o requirements-dev.lock

clean:
	rm -rf $(VENV) .scratch build dist *.egg-info
