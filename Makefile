# On a fresh machine with Python 3.11 (any from 3.10 on will do), git and make: `make run`, `make test`.

.PHONY: run test test-slow check fuzz bench clean

BIN := .venv/bin
INSTALLED := .venv/.installed
WITH_RAY := .venv/.installed-ray

# The first Python that is new enough and can make a virtual environment.
PYTHON ?= $(shell for p in python3.11 python3; do \
	$$p -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null && echo $$p && break; done)

# Tests on real data are skipped without it.
ifneq ($(realpath ../shared/data),)
export HYPERSWEEP_DATA ?= $(realpath ../shared/data)
endif
export PIP_DISABLE_PIP_VERSION_CHECK := 1

run: $(INSTALLED)
	$(BIN)/hypersweep run --space examples/quickstart/hyper.test --out build/quickstart --workers 2 --resume

test: $(INSTALLED)
	$(BIN)/pytest

test-slow: $(WITH_RAY)
	scripts/test-pythons
	$(BIN)/pytest -m slow

check: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest

# New random examples for the tests that have some.
fuzz: $(INSTALLED)
	for round in 1 2 3 4 5 6 7 8 9 10; do \
		$(BIN)/pytest -x --hypothesis-profile=fuzz $$(grep -rl "^from hypothesis" hyper_tests/*/ hyper_tests/test_*) || exit 1; \
	done

bench: $(WITH_RAY)
	$(BIN)/python -m benchmarks

clean:
	rm -rf .venv .venv-* build dist *.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache

# Without build isolation, so that setuptools is the pinned one as well.
$(INSTALLED): setup.cfg pyproject.toml constraints.txt
	@[ -n "$(PYTHON)" ] || { echo "hypersweep needs Python 3.10 or newer, with its venv module" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -c constraints.txt setuptools
	$(BIN)/pip install -c constraints.txt --no-build-isolation -e '.[dev]'
	touch $@

# Only the slow tests and the benchmarks start clusters.
$(WITH_RAY): $(INSTALLED)
	$(BIN)/pip install -c constraints.txt --no-build-isolation -e '.[dev,ray]'
	touch $@
