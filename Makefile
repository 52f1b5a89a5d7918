# The few commands of this project; each makes its own .venv first. README.md shows the same without make.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

# Tests start the app many times: what Python has compiled is kept, also where the machine's own setting says otherwise.
test test-fast bench soak: export PYTHONDONTWRITEBYTECODE :=

.PHONY: run test test-fast check bench soak messages clean

run: .venv/.run ## start the app for this computer (make run PORT=8502 HOST=0.0.0.0); the local model is fetched once, and the app starts without it too
	@$(BIN)/python -m local_model fetch --optional || echo "The local model is not available now; everything else is."
	@exec $(BIN)/python -m streamlit run app.py --server.address $(or $(HOST),localhost) $(if $(PORT),--server.port $(PORT))

test: .venv/.dev ## everything, browser tests included
	@$(BIN)/python tests/chromium.py
	$(BIN)/python -m ruff check --quiet .
	$(BIN)/python -m mypy
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder -r R

test-fast: .venv/.dev ## under a minute: no browser, nothing slow on purpose
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder -m "not slow and not browser"

check: .venv/.dev ## style, types, catalogues
	$(BIN)/python -m ruff check --quiet .
	$(BIN)/python -m mypy
	$(BIN)/python locale/update.py --check

bench: .venv/.bench ## measured beside what people use instead, in a quarter of an hour: bench/report.md
	@$(BIN)/python tests/chromium.py
	$(BIN)/python -m bench

soak: .venv/.bench ## half an hour of ordinary and rough use: its section of bench/report.md
	$(BIN)/python -m bench soak

messages: .venv/.dev ## bring locale/ in step with the texts in the code
	$(BIN)/python locale/update.py

clean: ## as after a clone
	rm -rf .venv .venv-bench .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed. Name one: make run PYTHON=python3.12")'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "This Python cannot make a virtual environment. On Debian or Ubuntu: sudo apt install python3-venv" >&2; exit 1; }
	@$(PYTHON) -m venv --clear .venv

.venv/.run: requirements.txt | $(BIN)/pip
	@echo "Installing what the app needs into .venv: once, about a minute."
	@$(PIP) -r requirements.txt && touch $@

.venv/.dev: requirements-dev.txt requirements.txt | $(BIN)/pip
	@echo "Installing what the tests need into .venv: once, about a minute."
	@$(PIP) -r requirements-dev.txt && touch .venv/.run $@

.venv/.bench: requirements-bench.txt .venv/.dev
	@$(PIP) -r requirements-bench.txt && touch $@
