# make run      a demo CMP server on 127.0.0.1:8504, from a fresh machine
# make test     lint, types, and the whole test suite
# make test-postgresql   the end-to-end tests once more, with the store in PostgreSQL
# make lint     ruff and mypy alone
# make fuzz     the coverage-guided fuzzer, for SECONDS (default 600)
# make soak     kill the daemon under load, KILLS times (default 300)
# make judge    hold who gets what against the promises: REQUESTS (default 1000000), SEED
# make flood    unauthenticated peers pile onto a daemon while an honest client enrols
# make format   let ruff lay out the code
# make reference  write cmpd.conf, docs/configuration.md and docs/algorithms.md from the code
# make dist     a wheel and a source archive in dist/
# make deb      a Debian package in dist/
# make zipapp   one file with everything in it, dist/cmpd.pyz
# make bench    benchmarks; bench/bench.mk has more of them
# make clean    remove what was built; var/, with its keys and certificates, stays

VENV := .venv
BIN := $(VENV)/bin
WORKERS := 2
SECONDS := 600
KILLS := 300
REQUESTS := 1000000
SEED := 1
PYTEST :=

.PHONY: fuzz soak flood judge run test test-postgresql lint format venv reference dist deb zipapp clean

run: $(VENV)/.runs
	@scripts/demo $(BIN)/python

test: lint
	$(BIN)/pytest -n $(WORKERS) --dist loadfile $(PYTEST)

test-postgresql: $(VENV)/.develops
	E2E_STORE=postgresql $(BIN)/pytest -n $(WORKERS) --dist loadfile tests/e2e $(PYTEST)

lint: $(VENV)/.develops
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

fuzz: $(VENV)/.develops
	$(BIN)/pip install --quiet -e '.[fuzz]'
	mkdir -p build/corpus
	$(BIN)/python -m tests.fuzz -max_total_time=$(SECONDS) build/corpus

soak: $(VENV)/.develops
	$(BIN)/python -m tests.e2e.soak --kills $(KILLS)

judge: $(VENV)/.develops
	$(BIN)/python -m tests.judge --requests $(REQUESTS) --seed $(SEED)

flood: $(VENV)/.develops
	$(BIN)/python -m tests.e2e.flood

format: $(VENV)/.develops
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

venv: $(VENV)/.develops

$(VENV)/.runs: pyproject.toml scripts/venv
	@scripts/venv $(VENV)
	@touch $@

$(VENV)/.develops: pyproject.toml scripts/venv
	@scripts/venv $(VENV) dev
	@touch $(VENV)/.runs $@

reference: $(VENV)/.develops
	$(BIN)/python packaging/reference.py

dist: $(VENV)/.develops
	$(BIN)/python -m build --outdir dist .

deb:
	@packaging/debian/build dist

zipapp: $(VENV)/.runs
	@packaging/zipapp/build $(BIN)/python dist/cmpd.pyz

include bench/bench.mk

clean:
	rm -rf $(VENV) build dist bench/build .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
