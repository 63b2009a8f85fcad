# Two commands on a fresh machine: `make run` (the main job on a generated corpus) and `make test`.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
CONSTRAINTS := requirements/constraints.txt
ENV ?= base
MODEL ?= seizure_detector
ON_PATH = MLFLOW_DISABLE_TELEMETRY=true PATH="$(CURDIR)/$(BIN):$$PATH"

.PHONY: run smoke test test-slow test-notebooks test-browser nightly coverage check format docs mlflow serve viz install clean

run: install          ## generate the corpus, train, evaluate, print the results
	$(BIN)/kedro generate-corpus --env $(ENV)
	$(BIN)/kedro run --env $(ENV)

smoke:                ## the same on minutes of EEG
	$(MAKE) run ENV=smoke

test: install check   ## lint, types, import contracts and all tests
	$(BIN)/pytest -n 2 --dist loadfile

test-slow: install    ## 100,000 wrong files, 200 kills, a bucket to a model, experiments, interruptions on Modal: half an hour
	$(BIN)/pytest tests/slow --log-cli-level=INFO

test-notebooks: install    ## the notebooks on two small runs of their own; executed, they lie in data/08_reporting/notebooks
	$(BIN)/pytest tests/notebooks

test-browser: install    ## kedro-viz, MLflow and the report in Chromium, on two small runs; screenshots in data/08_reporting/browser
	$(BIN)/pytest tests/browser

nightly: check coverage test-slow test-notebooks test-browser docs    ## everything, for a machine that has the night: about two hours

coverage: install     ## all tests of `make test`, counting the lines they run: a table, and pages in data/08_reporting/coverage
	$(BIN)/pytest -n 2 --dist loadfile --cov --cov-report=term:skip-covered --cov-report=html

check: install        ## lint, types and import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: install       ## put the code in its form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: install         ## docs/ as a site: site/index.html, opened from the disk
	$(BIN)/mkdocs build --quiet

mlflow: install       ## compare runs in the browser, http://127.0.0.1:5000
	MLFLOW_DISABLE_TELEMETRY=true MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false \
	$(BIN)/mlflow ui --backend-store-uri sqlite:///mlflow.db --workers 1 --port $(or $(PORT),5000)

serve: install        ## the best registered model, EDF paths in and detections out, http://127.0.0.1:5001/invocations
	@$(ON_PATH) python -m seizure_pipeline.mlflow_runs.registered $(MODEL)
	$(ON_PATH) mlflow models serve -m models:/$(MODEL)@best --env-manager local --host 127.0.0.1 --port $(or $(PORT),5001) --timeout 600

viz: install          ## browse the pipelines in the browser, http://127.0.0.1:4141
	$(BIN)/kedro viz run --no-browser --env $(ENV) --port $(or $(PORT),4141)

install: $(INSTALLED)

# torch first, alone: a range in another package would fetch a build with CUDA where none is wanted
$(INSTALLED): pyproject.toml $(CONSTRAINTS)
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint $(CONSTRAINTS) --editable '.[dev]'
	touch $(INSTALLED)

clean:                ## remove what runs made; the corpus, the environment and MLflow's store stay
	find data -mindepth 2 -not -name .gitkeep -not -path 'data/01_raw*' -delete
