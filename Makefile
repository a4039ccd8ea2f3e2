# make run      a demo CMP server on 127.0.0.1:8504, from a fresh machine
# make test     lint, types, and the whole test suite
# make lint     ruff and mypy alone
# make format   let ruff lay out the code
# make clean    remove what was built; var/, with its keys and certificates, stays

VENV := .venv
BIN := $(VENV)/bin
WORKERS := 2
PYTEST :=

.PHONY: run test lint format venv clean

run: $(VENV)/.runs
	@scripts/demo $(BIN)/python

test: lint
	$(BIN)/pytest -n $(WORKERS) --dist loadfile $(PYTEST)

lint: $(VENV)/.develops
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

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

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
